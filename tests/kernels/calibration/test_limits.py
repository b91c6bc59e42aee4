import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.api import Work
from kernels.calibration.limits import Link, Rates, bandwidth_at, best_of, bounds

RATES = Rates(
    bandwidth={1 << 14: 200e9, 1 << 20: 100e9, 1 << 28: 10e9},
    arithmetic={"float32": 100e9, "float64": 50e9},
    within_node=Link(latency_s=1e-6, beta_s_per_byte=1e-10),
    between_nodes=Link(latency_s=2e-6, beta_s_per_byte=1e-9),
    page_cache=5e9,
    disk=1e9,
)
positive = st.floats(1, 1e15)


def test_each_limit_is_the_counted_work_over_its_rate():
    work = Work(
        items=1,
        item="step",
        flops=1e9,
        memory_bytes=1e9,
        working_set_bytes=1 << 28,
        sent_bytes=1e6,
        messages=3,
        storage_bytes=1e9,
    )
    found = bounds(work, RATES, nodes=1)
    assert found == pytest.approx(
        {
            "compute_s": 0.01,
            "memory_s": 0.1,
            "network_latency_s": 3e-6,
            "network_bandwidth_s": 1e-4,
            "storage_s": 0.2,
        }
    )


@pytest.mark.parametrize(("dtype", "expected_s"), [("float32", 0.01), ("float64", 0.02)])
def test_arithmetic_is_that_of_the_works_type(dtype, expected_s):
    work = Work(items=1, item="step", flops=1e9, dtype=dtype)
    assert bounds(work, RATES, 1)["compute_s"] == pytest.approx(expected_s)


def test_cold_files_come_from_the_disk():
    work = Work(items=1, item="step", storage_bytes=1e9, cold=True)
    assert bounds(work, RATES, 1) == {"storage_s": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("working_set_bytes", "rate"), [(0, 200e9), (1 << 13, 200e9), (1 << 19, 200e9), (1 << 20, 100e9), (1 << 30, 10e9)]
)
def test_a_working_set_between_two_sizes_has_the_faster_ones_bandwidth(working_set_bytes, rate):
    assert bandwidth_at(working_set_bytes, RATES) == rate


def test_a_larger_size_that_was_faster_counts_for_the_smaller_ones_too():
    assert bandwidth_at(1 << 14, Rates(bandwidth={1 << 14: 1.0, 1 << 20: 3.0})) == 3.0


@pytest.mark.parametrize(("nodes", "between"), [(1, 0), (2, 1), (4, 2), (5, 3), (64, 4)])
def test_as_many_messages_leave_the_node_as_there_are_doublings_of_nodes(nodes, between):
    work = Work(items=1, item="step", messages=4)
    expected_s = between * 2e-6 + (4 - between) * 1e-6
    assert bounds(work, RATES, nodes)["network_latency_s"] == pytest.approx(expected_s)


@given(flops=positive, memory_bytes=positive, working_set_bytes=positive, faster=st.floats(1, 100))
def test_a_faster_machine_never_has_longer_limits(flops, memory_bytes, working_set_bytes, faster):
    work = Work(
        items=1, item="step", flops=flops, memory_bytes=memory_bytes, working_set_bytes=working_set_bytes, messages=2
    )
    better = Rates(
        bandwidth={size: faster * rate for size, rate in RATES.bandwidth.items()},
        arithmetic={dtype: faster * rate for dtype, rate in RATES.arithmetic.items()},
        within_node=Link(latency_s=1e-6 / faster, beta_s_per_byte=1e-10),
    )
    slow, fast = bounds(work, RATES, 1), bounds(work, better, 1)
    assert all(fast[name] <= slow[name] * (1 + 1e-12) for name in fast)


def test_what_is_not_counted_or_not_measured_has_no_limit():
    counted = Work(items=1, item="step", flops=1.0, memory_bytes=1.0, messages=1, sent_bytes=1.0, storage_bytes=1.0)
    assert bounds(Work(items=1, item="step"), RATES, 1) == {}
    assert bounds(counted, Rates(), 2) == {}


def test_the_best_of_several_is_the_highest_rate_and_the_lowest_cost():
    other = Rates(
        bandwidth={1 << 14: 300e9, 1 << 30: 5e9},
        arithmetic={"float32": 90e9},
        within_node=Link(latency_s=2e-6, beta_s_per_byte=1e-11),
        disk=2e9,
    )
    best = best_of([RATES, other])
    assert best.bandwidth == {1 << 14: 300e9, 1 << 20: 100e9, 1 << 28: 10e9, 1 << 30: 5e9}
    assert best.arithmetic == RATES.arithmetic
    assert best.within_node == Link(latency_s=1e-6, beta_s_per_byte=1e-11)
    assert (best.between_nodes, best.page_cache, best.disk) == (RATES.between_nodes, 5e9, 2e9)
    assert best_of([]) == Rates()
    assert bounds(Work(items=1, item="step", messages=3), best, 1) == {"network_latency_s": 3e-6}
