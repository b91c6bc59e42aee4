from __future__ import annotations

from math import inf

import numpy as np
import pytest

from kernels.quantum.studies.pairs import Difference, common_target, paired_difference, verdict


def test_two_nevers_are_alike_and_one_is_later_than_all():
    difference = paired_difference([inf, inf, 3, 1], [inf, 2, inf, 1])
    assert difference.median == 0
    assert paired_difference([inf] * 10, range(10)) == (inf, inf, inf)


def test_identical_kinds_differ_in_one_study_of_twenty_at_most():
    random = np.random.default_rng(0)
    found = [paired_difference(*random.normal(size=(2, 10))) for _ in range(2000)]
    assert np.mean([difference.low > 0 or difference.high < 0 for difference in found]) < 0.05


def test_the_target_is_the_lowest_that_each_kind_reaches_from_nine_of_ten_seeds():
    quick = [[1.0, 0.1 * seed] for seed in range(10)]
    slow = [[20.0, 0.3 + seed] for seed in range(10)]
    assert common_target(quick, slow) == 8.3
    assert common_target(quick) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("epochs", "accuracy", "said"),
    [
        ((-5, -9, -1), (0, -0.1, 0.1), "holds: fewer epochs, no better accuracy"),
        ((-5, -9, -1), (-0.2, -0.3, -0.1), "holds: fewer epochs, worse accuracy"),
        ((-5, -9, -1), (0.2, 0.1, 0.3), "refuted: fewer epochs, better accuracy"),
        ((5, 1, 9), (0, -0.1, 0.1), "refuted: more epochs, no better accuracy"),
        ((0, -1, 2), (0, -0.1, 0.1), "not shown: no fewer epochs, no better accuracy"),
    ],
)
def test_the_verdict(epochs: tuple, accuracy: tuple, said: str):
    assert verdict(Difference(*epochs), Difference(*accuracy)) == said
