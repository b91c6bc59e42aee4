import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from harness import statistics

values = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


@given(values, st.floats(0, 1))
def test_quantile_of_sorted_is_numpys(found, share):
    assert statistics.quantile_of_sorted(np.sort(found), share) == pytest.approx(np.quantile(found, share), rel=1e-9)


@given(values)
def test_median_interval_encloses_the_median(found):
    interval = statistics.median_interval(found)
    assert (interval is None) == (len(found) < 6)
    if interval:
        assert interval[0] <= np.median(found) <= interval[1]


def test_median_interval_lies_at_interpolated_ranks():
    # n = 30: (31 -+ 1.96 * 5.477) / 2 = 10.13 and 20.87
    low, high = statistics.median_interval(range(1, 31))
    assert (low, high) == (pytest.approx(10.1325, abs=1e-4), pytest.approx(20.8675, abs=1e-4))


def test_effective_samples_widen_the_median_interval():
    # 25 of 100 samples: ranks twice as far apart, 50.5 -+ 19.6
    assert statistics.median_interval(range(1, 101), 25) == pytest.approx((30.9, 70.1), abs=1e-3)
    assert statistics.median_interval(range(1, 101), 5.9) is None
    assert statistics.median_interval(range(1, 101), 6)[0] >= 1


@pytest.mark.parametrize("count", [6, 10, 30, 100])
def test_median_intervals_cover_the_median_in_95_of_100_cases(count):
    samples = np.random.default_rng(count).standard_normal((2000, count))
    covered = np.mean([low <= 0 <= high for low, high in map(statistics.median_interval, samples)])
    assert 0.93 <= covered <= 0.975


def test_relative_half_width():
    assert statistics.relative_half_width(range(1, 31)) == pytest.approx(5.3675 / 15.5, rel=1e-4)
    assert statistics.relative_half_width([1.0] * 5) is None


@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=10))
def test_launch_interval_is_scipys_t_interval_of_the_logarithms(medians):
    logs = np.log(medians)
    spread = logs.std(ddof=1) / np.sqrt(len(logs))
    low, high = statistics.launch_interval(medians)
    expected = logs.mean() + stats.t.ppf([0.025, 0.975], len(logs) - 1) * spread
    assert np.log([low, high]) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_one_launch_has_no_launch_interval():
    assert statistics.launch_interval([1.0]) is None


@pytest.mark.parametrize("count", [9, 10])
def test_medians_drawn_anew_are_distributed_as_those_of_samples_drawn_anew(count):
    generator = np.random.default_rng(5)
    values = np.sort(generator.exponential(size=count))
    usual = np.median(generator.choice(values, (20_000, count)), axis=1)
    drawn = statistics._draw_medians(values, generator, (20_000,))
    assert np.quantile(drawn, (0.05, 0.5, 0.95)) == pytest.approx(np.quantile(usual, (0.05, 0.5, 0.95)), rel=0.02)
    assert drawn.mean() == pytest.approx(usual.mean(), rel=0.02)


def test_bootstrap_interval_encloses_launches_of_one_value_exactly():
    launches = [[value] * 7 for value in (1.0, 2.0, 3.0)]
    assert statistics.bootstrap_interval(launches, np.random.default_rng(0)) == (1.0, 3.0)


def test_coefficient_of_variation():
    assert statistics.coefficient_of_variation([1.0, 3.0]) == pytest.approx(np.sqrt(2) / 2)
    assert statistics.coefficient_of_variation([1.0]) is None


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_autocorrelation_of_an_autoregressive_process_and_what_its_samples_count_as(correlation):
    noise = np.random.default_rng(1).standard_normal(20_000)
    values = lfilter([1.0], [1.0, -correlation], noise)
    # ranks of a normal pair correlate with 6 / pi asin(r / 2)
    expected = 6 / np.pi * np.arcsin(correlation / 2)
    assert statistics.lag1_autocorrelation(values) == pytest.approx(expected, abs=0.02)
    assert statistics.effective_samples(values) == pytest.approx(20_000 * (1 - expected) / (1 + expected), rel=0.1)


def test_samples_that_alternate_or_stay_the_same_count_in_full():
    assert statistics.effective_samples([1.0, 2.0] * 10) == 20
    assert statistics.effective_samples([1.0] * 20) == 20


def test_kruskal_wallis_tells_groups_apart():
    alike, apart = np.random.default_rng(2).standard_normal((2, 3, 40))
    apart[2] += 3
    assert statistics.kruskal_wallis(alike).p_value > 0.05
    found = statistics.kruskal_wallis(apart)
    assert found.p_value < 1e-6
    assert found.effect_size == pytest.approx(stats.kruskal(*apart).statistic / 119)
    assert statistics.kruskal_wallis([[1.0] * 5, [1.0] * 5]) == statistics.RankTest(1.0, 0.0)
    assert statistics.kruskal_wallis([[1.0, 2.0], [3.0, 4.0]]) is None


def test_normality_is_doubtful_for_a_heavy_tail_only():
    generator = np.random.default_rng(3)
    assert statistics.normality(generator.standard_normal(50)) > 0.05
    assert statistics.normality(generator.pareto(1.2, 50)) < 1e-6
    assert statistics.normality([1.0, 2.0]) is None


def test_the_interval_that_tables_show_holds_the_median_that_they_show():
    """Three launches in ten are 10 % slower: the geometric mean lies between the modes, the median does not."""
    generator = np.random.default_rng(0)
    outside = 0
    for count in (3, 5, 6, 20):
        for _ in range(200):
            medians = np.where(generator.random(count) < 0.3, 1.1, 1.0) * np.exp(
                1e-3 * generator.standard_normal(count)
            )
            low, high = statistics.typical_interval(medians.tolist())
            assert low <= np.median(medians) <= high
            plain_low, plain_high = statistics.launch_interval(medians.tolist())
            outside += not plain_low <= np.median(medians) <= plain_high
    assert outside > 100
    alike = (1.0 + generator.standard_normal(9) / 1000).tolist()
    assert statistics.typical_interval(alike) == statistics.launch_interval(alike)
    assert statistics.typical_interval([1.0]) is None
