import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.case import Scale
from harness.store.record import Stack
from kernels.api import Work


def test_strong_scaling_is_t1_over_tp(rows_of, make_case, make_record):
    times = {1: 8.0, 2: 5.0, 4: 4.0}
    rows = rows_of([make_record(make_case(ranks), [time]) for ranks, time in times.items()])
    for ranks, time in times.items():
        row = rows["plain", ranks, "bare"]
        assert row.speedup == pytest.approx(8.0 / time)
        assert row.efficiency == pytest.approx(8.0 / time / ranks)
        assert row.base_case_id == make_case(1).id
        assert (row.rate, row.rate_unit) == (pytest.approx(1 / time), "step/s")


def test_weak_scaling_is_the_scaled_speedup(rows_of, make_case, make_record):
    records = [
        make_record(make_case(ranks, parameters={"batch": 8 * ranks}), [time], work=Work(items=8 * ranks, item="image"))
        for ranks, time in ((1, 1.0), (2, 1.25))
    ]
    row = rows_of(records, mode="weak")["plain", 2, "bare"]
    assert row.speedup == pytest.approx(2 / 1.25)
    assert row.efficiency == pytest.approx(1 / 1.25)
    assert row.rate == pytest.approx(16 / 1.25)


@given(
    base_s=st.floats(1e-6, 1e3),
    ranks=st.lists(st.integers(1, 4096), min_size=2, max_size=6, unique=True),
    weak=st.booleans(),
)
def test_perfect_scaling_has_efficiency_one(rows_of, make_case, make_record, base_s, ranks, weak):
    records = [
        make_record(
            make_case(count),
            [base_s if weak else base_s / count],
            work=Work(items=count if weak else 1.0, item="step"),
        )
        for count in ranks
    ]
    for row in rows_of(records, mode="weak" if weak else "strong").values():
        assert row.efficiency == pytest.approx(1.0)
        assert row.speedup == pytest.approx(row.ranks / min(ranks))


def test_mode_none_has_rates_but_no_speedup(rows_of, make_case, make_record):
    for row in rows_of([make_record(make_case(ranks)) for ranks in (1, 2)], mode="none").values():
        assert (row.rate, row.speedup, row.efficiency, row.base_case_id) == (1.0, None, None, None)


def test_backends_threads_devices_and_stacks_are_series_of_their_own(rows_of, make_case, make_record):
    image = Stack(name="image", sha256="b" * 64)
    cases = [
        make_case(2),
        make_case(4, backend="other"),
        make_case(scale=Scale(1, 8, threads=2)),
        make_case(16, device="cuda"),
    ]
    for row in rows_of([make_record(case, stack=stack) for case in cases for stack in (Stack(), image)]).values():
        assert row.base_case_id == row.case_id
        assert row.stack in ("bare", "b" * 12)


def test_peers_are_compared_at_the_same_parameters_and_scale(rows_of, make_case, make_record):
    rows = rows_of(
        [
            make_record(make_case(1, "slow"), [6.0]),
            make_record(make_case(1, "fast"), [2.0]),
            make_record(make_case(2, "fast"), [1.0]),
        ]
    )
    assert rows["slow", 1, "bare"].peer_speedup == pytest.approx(1.0)
    assert rows["fast", 1, "bare"].peer_speedup == pytest.approx(3.0)
    assert rows["fast", 2, "bare"].peer_speedup is None


def test_who_worked_on_less_is_no_peer(rows_of, make_case, make_record):
    works = {"whole": 100, "other": 100, "half": 50}
    rows = rows_of(
        [
            make_record(make_case(1, name), [items / 10], work=Work(items=items, item="sample"))
            for name, items in works.items()
        ]
    )
    assert [rows[name, 1, "bare"].peer_speedup for name in works] == [pytest.approx(1), pytest.approx(1), None]


@given(serial=st.floats(0.01, 0.99), ranks=st.integers(2, 4096))
def test_the_serial_fraction_is_that_of_amdahls_law(rows_of, make_case, make_record, serial, ranks):
    rows = rows_of([make_record(make_case(count), [serial + (1 - serial) / count]) for count in (1, ranks)])
    assert rows["plain", 1, "bare"].serial_fraction is None
    assert rows["plain", ranks, "bare"].serial_fraction == pytest.approx(serial)


def test_the_interval_of_a_speedup_encloses_it_and_grows_with_the_work(rows_of, make_case, make_record):
    def speedup(items):
        records = [
            make_record(make_case(ranks), [time], repeat=repeat, work=Work(items=items[ranks], item="step"))
            for ranks, times in ((1, [7.9, 8.0, 8.1]), (4, [2.4, 2.5, 2.6]))
            for repeat, time in enumerate(times)
        ]
        row = rows_of(records, repeats=3)["plain", 4, "bare"]
        return row.speedup_low, row.speedup, row.speedup_high, row.serial_fraction_low, row.serial_fraction_high

    low, found, high, least, most = speedup({1: 1, 4: 1})
    assert low < found < high
    assert (least, most) == (pytest.approx((4 / high - 1) / 3), pytest.approx((4 / low - 1) / 3))
    assert speedup({1: 1, 4: 4})[:3] == pytest.approx((4 * low, 4 * found, 4 * high))
