import math

import numpy as np
import pytest

from harness.analyse.change_points import find_changes

THRESHOLD = math.log(1.05)


def series(levels, launches=3, noise=0.01, seed=0):
    generator = np.random.default_rng(seed)
    return [(level + generator.normal(0, noise, launches)).tolist() for level in levels]


@pytest.mark.parametrize(
    ("levels", "changes"),
    [
        ([0.0] * 20, []),
        ([0.0] * 10 + [0.1] * 10, [10]),
        ([0.0] * 10 + [-0.2] * 3, [10]),
        # a change and its repair, which cancel in the mean
        ([0.0] * 8 + [0.15] * 6 + [0.0] * 8, [8, 14]),
        ([0.0] * 6 + [0.1] * 6 + [0.3] * 6, [6, 12]),
        # clear, but too small to matter
        ([0.0] * 20 + [0.03] * 20, []),
        ([0.0] * 5 + [0.3], [5]),
        ([0.0], []),
        ([], []),
    ],
)
def test_changes_are_found_where_they_are(levels, changes):
    assert find_changes(series(levels), THRESHOLD) == changes


def test_an_unchanged_series_has_a_change_point_in_at_most_two_of_a_hundred():
    flat = (series([0.0] * 30, launches=2, noise=0.05, seed=seed) for seed in range(200))
    assert sum(find_changes(points, 0.0) != [] for points in flat) <= 4


def test_a_series_of_single_launches_needs_two_on_either_side():
    points = [[0.0], [0.001], [0.002], [0.3]]
    assert find_changes(points, THRESHOLD) == []
    assert find_changes([*points, [0.301]], THRESHOLD) == [3]
