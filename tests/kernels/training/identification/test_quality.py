from __future__ import annotations

import numpy as np
import pytest

from kernels.training.identification.quality import error_figures, histogram, loss_by_label


def test_loss_and_quantiles_of_known_errors() -> None:
    errors = np.zeros((101, 8))
    errors[:, 1] = -np.linspace(0, 1, 101)
    errors[:, 7] = 0.5
    assert loss_by_label(errors) == pytest.approx([0, 0.335, 0, 0, 0, 0, 0, 0.25])
    figures = {figure.name: figure.value for figure in error_figures(errors)}
    assert figures["90 % of errors, r00"] == pytest.approx(0.9)
    assert figures["90 % of errors, r00, thesis"] == 0.01
    assert figures["90 % of errors, n_pow, thesis"] == 0.1
    assert figures["largest error, r00"] == pytest.approx(1)


def test_histogram_holds_every_error_once() -> None:
    found = histogram(np.array([0.001, 0.004, 0.03, 5.0]))
    assert found == "0.005: 50 %, 0.01: 0 %, 0.02: 0 %, 0.05: 25 %, 0.1: 0 %, 0.2: 0 %, more: 25 %"
