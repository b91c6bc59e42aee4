import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.scaling import make_rows, make_table
from harness.case import Scale
from harness.store.manifest import write_manifest
from harness.store.read import Run
from harness.store.record import Stack
from harness.store.write import write_record
from kernels.api import Check, InputError, Work

WRONG = Check(error=1.0, tolerance=1e-9, reference="itself")


@pytest.fixture(scope="session")
def rows_of(make_sweep):
    """The table rows of records, as read back from JSON, by (backend, ranks, stack)."""

    def rows(records, cases=None, **settings):
        cases = cases or list({record.case.id: record.case for record in records}.values())
        runs = [msgspec.json.decode(msgspec.json.encode(record), type=Run) for record in records]
        return {(row.backend, row.ranks, row.stack): row for row in make_rows(make_sweep(cases, **settings), runs)}

    return rows


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


def test_wrong_answer_is_bad_and_neither_base_nor_peer(rows_of, make_case, make_record):
    records = [
        make_record(make_case(1, "a"), [1.0], check=WRONG, message="the check failed: error 1"),
        make_record(make_case(2, "a"), [4.0]),
        make_record(make_case(4, "a"), [2.0]),
        make_record(make_case(1, "b"), [9.0]),
    ]
    rows = rows_of(records)
    wrong = rows["a", 1, "bare"]
    assert wrong.is_bad
    assert (wrong.status, wrong.check_passed, wrong.check_error) == ("ok", False, 1.0)
    assert (wrong.median_s, wrong.speedup, wrong.peer_speedup) == (1.0, None, None)
    assert "the check failed" in wrong.message
    assert rows["a", 4, "bare"].base_case_id == make_case(2, "a").id
    assert rows["a", 4, "bare"].speedup == pytest.approx(2.0)
    assert rows["b", 1, "bare"].peer_speedup is None


def test_unfinished_and_missing_cases_are_rows(rows_of, make_case, make_record):
    cases = [make_case(ranks) for ranks in (1, 2, 4)]
    records = [make_record(cases[0]), make_record(cases[1], status="timeout", message="too slow")]
    rows = rows_of(records, cases)
    assert [(row.status, row.message, row.is_bad) for row in rows.values()] == [
        ("ok", "", False),
        ("timeout", "too slow", True),
        ("missing", "not measured yet", True),
    ]
    assert rows["plain", 4, "bare"].median_s is None


def test_a_launch_without_result_shows_beside_the_times_of_the_others(rows_of, make_case, make_record):
    case = make_case()
    records = [make_record(case, [2.0]), make_record(case, repeat=1, status="failed", message="killed")]
    row = rows_of(records)["plain", 1, "bare"]
    assert (row.status, row.launches, row.median_s) == ("failed", 1, 2.0)
    assert row.message == "killed (in 1 of 2 launches)"


def test_a_stack_owes_every_case_of_a_kernel_it_measured(rows_of, make_case, make_record):
    image = Stack(name="image", sha256="b" * 64)
    cases = [make_case(1), make_case(2)]
    records = [make_record(cases[0]), make_record(cases[1]), make_record(cases[0], stack=image)]
    rows = rows_of(records, cases)
    assert rows["plain", 2, "b" * 12].status == "missing"
    assert len(rows) == 4


def test_records_of_another_kernel_version_do_not_count(rows_of, make_case, make_record):
    row = rows_of([make_record(make_case())], [make_case(kernel_version=2)])["plain", 1, "bare"]
    assert row.status == "missing"
    assert "measured with kernel version 1, now version 2" in row.message


def test_rows_come_by_kernel_then_problem_then_backend_then_ranks(make_case, make_sweep):
    cases = [
        make_case(ranks, backend, problem, kernel=kernel, parameters={"size_bytes": size})
        for kernel in ("z", "a")
        for ranks in (4, 1)
        for backend in ("reference", "another")
        for problem, size in (("0", 65536), ("1", 8))
    ]
    rows = [
        (row.kernel, row.parameters["size_bytes"], row.backend, row.ranks) for row in make_rows(make_sweep(cases), [])
    ]
    assert rows == [
        (kernel, size, backend, ranks)
        for kernel in ("z", "a")
        for size in (8, 65536)
        for backend in ("reference", "another")
        for ranks in (1, 4)
    ]


def test_table_of_a_results_folder_is_bad_with_missing_cases_and_names_damage(
    tmp_path, make_case, make_record, make_sweep
):
    cases = [make_case(1), make_case(2)]
    write_manifest(tmp_path, make_sweep(cases))
    path = write_record(tmp_path, make_record(cases[0]))
    assert make_table(tmp_path, "trial").is_bad
    write_record(tmp_path, make_record(cases[1]))
    table = make_table(tmp_path, "trial")
    assert (table.is_bad, len(table.rows), table.damages) == (False, 2, [])
    path.with_name("foreign.json").write_text("{}")
    table = make_table(tmp_path, "trial")
    assert table.is_bad
    assert len(table.rows) == 2
    assert "foreign.json" in table.damages[0]


def test_records_without_a_manifest_still_make_a_table(tmp_path, make_case, make_record):
    write_record(tmp_path, make_record(make_case()))
    table = make_table(tmp_path, "trial")
    assert [row.status for row in table.rows] == ["ok"]
    assert "sweep.json: not found" in table.damages[0]


def test_unknown_sweep_is_told_with_those_that_exist(tmp_path, make_case, make_record):
    write_record(tmp_path, make_record(make_case()))
    with pytest.raises(InputError, match="other: not found; right would be a measured sweep: trial"):
        make_table(tmp_path, "other")
