from __future__ import annotations

from math import inf

import numpy as np
import pytest

from kernels.quantum.studies.quality import Curve, expected_to_target, median_interval, seed_figures, time_figures


def test_failures_count_towards_the_expected_time():
    assert expected_to_target([1.0, 2.0, 6.0], [True, True, False]) == 4.5
    assert expected_to_target([1.0], [False]) == inf


def test_the_interval_of_ten_values_is_from_the_second_to_the_ninth():
    assert median_interval([*range(9), inf]) == (1, 8)
    assert median_interval(range(5)) is None


def test_the_interval_encloses_the_median_as_often_as_it_says():
    random = np.random.default_rng(0)
    for seeds, least in ((6, 0.95), (10, 0.95), (25, 0.95)):
        intervals = [median_interval(values) for values in random.exponential(size=(2000, seeds))]
        covered = np.mean([low <= np.log(2) <= high for low, high in filter(None, intervals)])
        assert covered > least


def test_never_is_a_word():
    curves = [Curve([3.0, 1.0], [0.5, 1.0]), Curve([3.0, 4.0], [1.0, 2.0]), Curve([5.0], [2.0])]
    figures = {figure.name: figure.value for figure in time_figures("epochs", curves, 2.0)}
    assert figures == {
        "share of seeds at target": pytest.approx(1 / 3), "epochs to target": "never", "expected time to target": 5.0,
    }  # fmt: skip
    assert len(seed_figures("loss", [1.0] * 6)) == 3
