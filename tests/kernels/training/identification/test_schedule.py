from __future__ import annotations

import math

import pytest

from kernels.training.identification.schedule import exponential_decay_sine


def test_whole_epochs_have_no_sine() -> None:
    """e^(−3t/T)·(e^(−3t/T) + 0.5) there."""
    assert exponential_decay_sine(2.0, 0, 40, 10) == pytest.approx(3.0)
    decay = math.exp(-1.5)
    assert exponential_decay_sine(1.0, 20, 40, 10) == pytest.approx(decay * (decay + 0.5))


def test_a_quarter_epoch_is_the_crest_and_no_rate_is_negative() -> None:
    decay = math.exp(-3 * 2 / 32)
    assert exponential_decay_sine(1.0, 2, 32, 8) == pytest.approx(decay * (decay + 1.5))
    assert all(exponential_decay_sine(1.0, step, 400, 40) > 0 for step in range(400))
