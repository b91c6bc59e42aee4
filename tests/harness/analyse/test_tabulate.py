import msgspec
import pytest

from harness.analyse.tabulate import make_rows, make_table
from harness.present.columns import make_columns
from harness.present.naming import CaseNames
from harness.store.manifest import write_manifest
from harness.store.read import Run
from harness.store.record import Stack, Timer
from harness.store.write import write_record
from kernels.api import Check, InputError

WRONG = Check(error=1.0, tolerance=1e-9, reference="itself")


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


def test_barriers_and_windows_are_never_one_row(rows_of, make_case, make_record, make_sweep):
    cases = [make_case(ranks) for ranks in (1, 2)]
    records = [
        make_record(case, [time_s / case.scale.ranks], repeat, synchronisation=way)
        for case in cases
        for repeat in range(2)
        for way, time_s in (("barrier", 1.0), ("window", 3.0))
    ]
    runs = [msgspec.json.decode(msgspec.json.encode(record), type=Run) for record in records]
    rows = make_rows(make_sweep(cases, repeats=2), runs)
    assert [(row.synchronisation, row.ranks, row.median_s, row.launches, row.speedup) for row in rows] == [
        ("barrier", 1, 1.0, 2, 1.0),
        ("barrier", 2, 0.5, 2, 2.0),
        ("window", 1, 3.0, 2, 1.0),
        ("window", 2, 1.5, 2, 2.0),
    ]
    assert "synchronisation" in {column.name for column in make_columns(rows)}
    assert len({CaseNames(rows).of(row) for row in rows}) == 4


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


def test_a_row_knows_the_coarsest_step_of_its_launches_clocks(rows_of, make_case, make_record):
    timers = [Timer(clock="x", resolution_s=resolution_s, cost_s=1e-8) for resolution_s in (2e-8, 5e-8, 3e-8)]
    rows = rows_of([make_record(make_case(), [4.9e-6], repeat, timer=timer) for repeat, timer in enumerate(timers)])
    (row,) = rows.values()
    assert (row.resolution_s, row.is_near_clock) == (5e-8, True)


def test_records_without_a_manifest_still_make_a_table(tmp_path, make_case, make_record):
    write_record(tmp_path, make_record(make_case()))
    table = make_table(tmp_path, "trial")
    assert [row.status for row in table.rows] == ["ok"]
    assert "sweep.json: not found" in table.damages[0]


def test_unknown_sweep_is_told_with_those_that_exist(tmp_path, make_case, make_record):
    write_record(tmp_path, make_record(make_case()))
    with pytest.raises(InputError, match="other: not found among measured sweeps; right would be: trial"):
        make_table(tmp_path, "other")
