import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analyse.ratio import Launches, discoveries, half_width, launches_to_settle, p_value, paired, unpaired

logs = st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=8).filter(lambda values: np.std(values) > 1e-6)


@given(base=logs, new=logs)
def test_unpaired_is_welchs_t_test(base, new):
    ratio = unpaired(Launches.of(base), Launches.of(new))
    reference = stats.ttest_ind(new, base, equal_var=False)
    assert ratio.p_value == pytest.approx(reference.pvalue, rel=1e-6, abs=1e-12)
    assert ratio.log_interval == pytest.approx(tuple(reference.confidence_interval(0.90)), rel=1e-6, abs=1e-12)
    assert ratio.value == pytest.approx(math.exp(np.mean(new) - np.mean(base)))
    expected = np.exp(reference.confidence_interval(0.95))
    assert ratio.interval(0.95) == pytest.approx(tuple(expected), rel=1e-6)


@given(differences=logs)
def test_paired_is_students_t_test_of_the_differences(differences):
    ratio = paired(differences)
    reference = stats.ttest_1samp(differences, 0)
    assert ratio.p_value == pytest.approx(reference.pvalue, rel=1e-6, abs=1e-12)
    assert ratio.log_interval == pytest.approx(tuple(reference.confidence_interval(0.90)), rel=1e-6, abs=1e-12)
    assert ratio.pairs == len(differences)


def test_a_single_launch_borrows_the_others_variance_and_two_singles_have_no_ratio():
    several = Launches.of([0.0, 0.02, 0.04])
    ratio = unpaired(several, Launches.of([0.1]))
    assert ratio.error == pytest.approx(0.02 * math.sqrt(1 / 3 + 1))
    assert ratio.degrees == 2
    assert unpaired(Launches.of([0.0]), Launches.of([0.1])) is None
    assert paired([0.1]) is None


def test_launches_that_do_not_vary_have_an_interval_of_no_width():
    ratio = unpaired(Launches.of([0.0, 0.0]), Launches.of([math.log(2), math.log(2)]))
    assert ratio.interval() == (pytest.approx(2), pytest.approx(2))


def test_launches_without_any_variation_are_certain():
    equal = unpaired(Launches.of([0.0, 0.0]), Launches.of([0.0, 0.0]))
    apart = unpaired(Launches.of([0.0, 0.0]), Launches.of([0.1, 0.1]))
    assert (equal.p_value, apart.p_value) == (1.0, 0.0)
    assert apart.log_interval == (0.1, 0.1)


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_discoveries_are_those_of_benjamini_and_hochberg(p_values):
    adjusted = stats.false_discovery_control(p_values)
    for found, reference in zip(discoveries(p_values)[0], adjusted, strict=True):
        # equal but for rounding at the very limit
        assert found == (reference <= 0.05) or reference == pytest.approx(0.05)


def test_one_more_discovery_needs_the_next_limit():
    assert discoveries([0.5] * 10)[1] == pytest.approx(0.005)
    assert discoveries([0.0001, *[0.5] * 9])[1] == pytest.approx(0.010)
    assert discoveries([])[0] == []


@given(base=logs, new=logs)
def test_the_launches_that_settle_it_do_and_one_fewer_do_not(base, new):
    ratio = unpaired(Launches.of(base), Launches.of(new))
    threshold, p_needed = math.log(1.05), 0.01
    extra = launches_to_settle(ratio, threshold, p_needed)

    def settles(more):
        error, degrees = ratio.planned(more)
        low, high = ratio.log - half_width(error, degrees), ratio.log + half_width(error, degrees)
        outside = low > threshold or high < -threshold
        return -threshold < low < high < threshold or (outside and p_value(ratio.log, error, degrees) <= p_needed)

    if extra is not None:
        assert settles(extra)
        assert extra == 1 or not settles(extra - 1)
    else:
        assert not settles(100)
