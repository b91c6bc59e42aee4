"""The rule, at its edges and on average. The whole study is benchmarks/study_verdicts.py."""

import math

import numpy as np
import pytest

from harness.analyse.ratio import Launches, Ratio, half_width, paired, unpaired
from harness.analyse.verdicts import judge


def ratio_with(low, high, degrees=8.0):
    """A ratio whose 90 % interval is from ``low`` to ``high``."""
    width = math.log(high / low)
    error = width / (2 * half_width(1.0, degrees))
    return Ratio(
        log=(math.log(low) + math.log(high)) / 2,
        error=error,
        degrees=degrees,
        planned=lambda extra: (error * math.sqrt(5 / (5 + extra)), degrees + 2 * extra),
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.96, 1.04, "same"),
        (1.01, 1.04, "same"),
        (1.06, 1.10, "slower"),
        (1.04, 1.10, "inconclusive"),
        (0.98, 1.06, "inconclusive"),
        (0.90, 0.94, "faster"),
        (0.94, 0.98, "inconclusive"),
        (0.5, 2.0, "inconclusive"),
    ],
)
def test_the_interval_decides(low, high, verdict):
    (judgement,) = judge([ratio_with(low, high)], 0.05)
    assert judgement.verdict == verdict


def test_higher_is_better_swaps_faster_and_slower_and_nothing_else():
    ratios = [ratio_with(1.06, 1.10), ratio_with(0.90, 0.94), ratio_with(0.99, 1.01), ratio_with(0.9, 1.1)]
    assert [item.verdict for item in judge(ratios, 0.05)] == ["slower", "faster", "same", "inconclusive"]
    assert [item.verdict for item in judge(ratios, 0.05, True)] == ["faster", "slower", "same", "inconclusive"]


def test_inconclusive_says_how_many_launches_would_settle_it():
    (judgement,) = judge([ratio_with(0.97, 1.06)], 0.05)
    assert "more launches a side would settle it" in judgement.message
    (judgement,) = judge([ratio_with(1.03, 1.07)], 0.05)
    assert "scatter too much, or the ratio is at the threshold" in judgement.message


def test_a_change_that_is_believed_alone_is_not_believed_among_five_hundred_unchanged():
    doubtful = ratio_with(1.051, 1.25)
    unchanged = [ratio_with(0.97, 1.03)] * 500
    alone, among = judge([doubtful], 0.05)[0], judge([doubtful, *unchanged], 0.05)[0]
    assert alone.verdict == "slower"
    assert among.verdict == "inconclusive"
    assert among.message.startswith("not significant among 501 cases: ")


def pairs(change, count=400, launches=5, seed=0):
    generator = np.random.default_rng(seed)
    base = generator.normal(0, 0.02, (count, launches))
    new = generator.normal(math.log1p(change), 0.02, (count, launches))
    return [unpaired(Launches.of(b.tolist()), Launches.of(n.tolist())) for b, n in zip(base, new, strict=True)]


def share_slower(change):
    return np.mean([item.verdict == "slower" for item in judge(pairs(change), 0.05)])


def test_launch_effects_of_two_percent_and_five_launches_a_side():
    assert share_slower(0.0) <= 0.01
    assert share_slower(0.10) >= 0.85
    assert share_slower(0.15) >= 0.99


def test_pairs_find_five_percent_where_drift_hides_it_from_launches_one_after_the_other():
    drift = np.random.default_rng(0).normal(0, 0.05, (400, 5))
    noise = np.random.default_rng(1).normal(0, 0.008, (2, 400, 5))
    base, new = drift + noise[0], drift + noise[1] + math.log(1.05)
    found = [paired((after - before).tolist()) for before, after in zip(base, new, strict=True)]
    assert np.mean([item.verdict == "slower" for item in judge(found, 0.02)]) >= 0.95
    alone = [unpaired(Launches.of(b.tolist()), Launches.of(n.tolist())) for b, n in zip(base, new, strict=True)]
    assert np.mean([item.verdict == "slower" for item in judge(alone, 0.02)]) < 0.5
