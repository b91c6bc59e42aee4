import math

import msgspec
import numpy as np
import pytest

from harness.analyse.launches import is_near_clock, middle_figures, time_launches, worst_check
from harness.store.read import Run
from kernels.api import Check, Figure


@pytest.fixture
def make_run(make_case, make_record):
    def make(*arguments, **settings):
        return msgspec.json.decode(msgspec.json.encode(make_record(make_case(), *arguments, **settings)), type=Run)

    return make


def test_one_launch_has_the_order_statistic_interval_of_its_samples(make_run):
    # 100 values 1..100, not in order: ranks (101 -+ 19.6) / 2
    shuffled = np.random.default_rng(0).permutation(np.arange(1.0, 101.0)).tolist()
    timing = time_launches([make_run(shuffled)])
    assert (timing.median_s, timing.low_s, timing.high_s) == (
        50.5,
        pytest.approx(40.7, abs=1e-3),
        pytest.approx(60.3, abs=1e-3),
    )
    assert (timing.min_s, timing.p99_s) == (1.0, pytest.approx(99.01))
    assert (timing.launches, timing.samples, timing.launch_median_s) == (1, 100, [50.5])
    assert timing.cv == pytest.approx(np.std(shuffled, ddof=1) / 50.5)


def test_samples_of_one_launch_that_depend_on_one_another_have_a_wider_interval(make_run):
    shuffled = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    paired = np.repeat(shuffled, 2).tolist()
    dependent, alone = time_launches([make_run(paired)]), time_launches([make_run(shuffled.tolist())])
    assert dependent.high_s - dependent.low_s == pytest.approx(alone.high_s - alone.low_s, rel=0.3)
    # a plain climb tells nothing of what a second one would give
    assert time_launches([make_run([float(value) for value in range(100)])]).low_s is None


def test_several_launches_have_the_t_interval_of_their_log_medians(make_run):
    # log medians 0, 1, 2: mean 1, standard deviation 1, Student's t for 2 degrees of freedom 4.302653
    runs = [make_run([math.exp(value)] * 3, repeat=value) for value in range(3)]
    timing = time_launches(runs)
    half = 4.302652729911275 / math.sqrt(3)
    assert timing.median_s == pytest.approx(math.e)
    assert timing.low_s == pytest.approx(math.exp(1 - half))
    assert timing.high_s == pytest.approx(math.exp(1 + half))
    assert (timing.launches, timing.samples) == (3, 9)


def test_launches_weigh_equally_however_many_samples_they_took(make_run):
    timing = time_launches([make_run([1.0] * 1000), make_run([2.0], repeat=1), make_run([3.0], repeat=2)])
    assert timing.median_s == 2.0


def test_too_little_for_an_interval(make_run):
    assert time_launches([]) is None
    timing = time_launches([make_run([1.0, 2.0])])
    assert (timing.median_s, timing.low_s, timing.high_s) == (1.5, None, None)
    assert time_launches([make_run([0.0]), make_run([0.0], repeat=1)]).low_s is None


def test_worst_check_is_a_failed_one_and_worst_of_all_no_number(make_run):
    fine, wrong, nan = (
        make_run(check=Check(error=error, tolerance=tolerance, reference=""))
        for error, tolerance in ((0.5, 1.0), (0.1, 0.01), (math.nan, 1.0))
    )
    assert worst_check([fine, wrong]).error == 0.1
    assert worst_check([fine, wrong, nan]).error is None
    assert worst_check([]) is None


def test_figures_are_medians_over_launches(make_run):
    runs = [
        make_run(figures=[Figure(name="bandwidth", value=value, unit="B/s"), Figure(name="cache", value=word)])
        for value, word in ((1.0, "cold"), (3.0, "cold"), (8.0, "warm"))
    ]
    assert middle_figures(runs) == ({"bandwidth": 3.0, "cache": "warm"}, {"bandwidth": "B/s", "cache": ""})


@pytest.mark.parametrize(
    ("time_s", "resolution_s", "is_near"),
    [(3.9e-6, 4e-8, True), (4.1e-6, 4e-8, False), (0.0, 4e-8, True), (None, 4e-8, False), (1e-9, None, False)],
)
def test_a_time_of_fewer_than_a_hundred_steps_is_near_the_clock(time_s, resolution_s, is_near):
    assert is_near_clock(time_s, resolution_s) is is_near


def test_the_worst_check_is_furthest_beyond_its_own_tolerance(make_run):
    near, at, twice, far, none = (
        make_run(check=Check(error=error, tolerance=tolerance, reference=""))
        for error, tolerance in ((1e-3, 1e-2), (1e-9, 1e-9), (2e-3, 1e-3), (5e-8, 1e-9), (0.5, 0.0))
    )
    assert worst_check([near, at]).error == 1e-9
    assert worst_check([near, at, twice, far]).error == 5e-8
    assert worst_check([near, none]).error == 0.5


def test_a_time_of_a_few_readings_of_the_clock_is_near_it():
    assert is_near_clock(1.9e-6, 1e-9, 1e-7)
    assert not is_near_clock(2.1e-6, 1e-9, 1e-7)
    assert is_near_clock(1e-6, None, 1e-7)
