import json
import math

import pyarrow.parquet
import pytest

from harness.analyse.samples import RankedRun
from harness.analyse.tabulate import make_table
from harness.store.decode import Damage
from harness.store.manifest import write_manifest
from harness.store.pack import read_manifests, scan_pack, write_pack
from harness.store.read import WholeRun, scan_runs
from harness.store.record import Environment
from harness.store.results import open_results
from harness.store.write import runs_folder, write_record
from kernels.api import Figure, InputError


@pytest.fixture
def results(tmp_path, make_case, make_record, make_sweep):
    """A sweep of three cases: done in three launches with odd numbers, failed, and never measured."""
    folder = tmp_path / "results"
    cases = [make_case(problem=name) for name in ("done", "failed", "never")]
    environment = Environment(
        hosts=["h"], cpu={"model": "µ"}, memory_bytes=1, gpus=[], operating_system="", python="", libraries={}, mpi={},
        code={}, placement={}, variables={}, load_average=0.1,
    )  # fmt: skip
    for repeat in range(3):
        samples_s = [0.1 + 0.2, 5e-324, 1e10, 1 / 3]
        figures = [Figure(name="loss", value=math.nan)]
        record = make_record(cases[0], samples_s, repeat, warmup_s=[1e-9], figures=figures, environment=environment)
        path = write_record(folder, record)
    # a field that a later scalemark adds is no damage, and must survive
    path.write_bytes(path.read_bytes()[:-1] + b',"later":{"field":[1.50,null]}}')
    write_record(folder, make_record(cases[1], status="timeout", message='"quoted"\n'))
    write_manifest(folder, make_sweep(cases))
    return folder


def test_reading_back_gives_the_same_records_bit_for_bit(results, tmp_path):
    target = tmp_path / "all.parquet"
    assert write_pack(results, {"trial": open_results(results).manifest("trial")}, target) == (4, 12, [])
    original = list(scan_runs(runs_folder(results, "trial"), WholeRun))
    assert list(scan_pack(target, "trial", WholeRun)) == original
    assert make_table(target, "trial") == make_table(results, "trial")
    assert [row.status for row in make_table(target, "trial").rows] == ["ok", "timeout", "missing"]


def test_every_field_of_the_json_is_kept_also_those_nobody_knows_yet(results, tmp_path):
    target = tmp_path / "all.parquet"
    write_pack(results, {"trial": open_results(results).manifest("trial")}, target)
    rows = pyarrow.parquet.read_table(target).to_pylist()
    documents = [json.loads(path.read_bytes()) for path in sorted(runs_folder(results, "trial").glob("*/*.json"))]
    for row, document in zip(rows, documents, strict=True):
        lists = {name: row[name] for name in ("samples_s", "warmup_s", "rank_median_s")}
        apart = {name: json.loads(row[name]) for name in ("environment", "rank_samples_s")}
        assert json.loads(row["record"]) | lists | apart == document


def test_the_ranks_own_times_come_back_and_a_file_without_them_is_read(results, tmp_path, make_case, make_record):
    ranks = [[0.1, 1 / 3], [0.2, 5e-324]]
    write_record(results, make_record(make_case(2), [0.2, 1 / 3], rank_samples_s=ranks))
    target = tmp_path / "all.parquet"
    write_pack(results, {"trial": open_results(results).manifest("trial")}, target)
    assert ranks in [list(run.rank_samples_s) for run in scan_pack(target, "trial", RankedRun)]
    table = pyarrow.parquet.read_table(target)
    place = table.schema.get_field_index("rank_samples_s")
    spoilt = table.set_column(place, table.schema.field(place), pyarrow.array(['["x"]'] * len(table)))
    pyarrow.parquet.write_table(spoilt, target)
    assert all("rank_samples_s" in str(damage) for damage in scan_pack(target, "trial", RankedRun))
    pyarrow.parquet.write_table(table.drop_columns("rank_samples_s"), target)
    assert [list(run.rank_samples_s) for run in scan_pack(target, "trial", RankedRun)] == [[]] * 5


def test_damaged_files_are_named_and_the_rest_is_packed(results, tmp_path):
    bad = next(runs_folder(results, "trial").glob("*/*.json")).with_name("bad.json")
    bad.write_text('{"schema": 1')
    records, _, (damage,) = write_pack(
        results, {"trial": open_results(results).manifest("trial")}, tmp_path / "a.parquet"
    )
    assert records == 4
    assert damage.path == bad


def test_what_is_no_packed_file_is_told_apart(tmp_path):
    text, foreign, absent = (tmp_path / name for name in ("text.parquet", "foreign.parquet", "absent.parquet"))
    text.write_text("hello")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), foreign)
    for path, said in (
        (text, "not a Parquet file"),
        (foreign, "scalemark.format: found none"),
        (absent, "No such file"),
    ):
        with pytest.raises(InputError, match=said):
            read_manifests(path)


def test_a_packed_file_cut_in_half_is_refused_in_one_line(results, tmp_path):
    target = tmp_path / "all.parquet"
    write_pack(results, {"trial": open_results(results).manifest("trial")}, target)
    target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    with pytest.raises(InputError, match="not a Parquet file") as caught:
        open_results(target).sweep_names()
    assert "\n" not in str(caught.value)


def test_a_failed_packing_leaves_nothing_behind(results, tmp_path):
    with pytest.raises(InputError, match="File exists"):
        write_pack(
            results,
            {"trial": open_results(results).manifest("trial")},
            results / "runs" / "trial" / "sweep.json" / "x.parquet",
        )
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_row_spoilt_inside_is_damage(results, tmp_path):
    target = tmp_path / "all.parquet"
    write_pack(results, {"trial": open_results(results).manifest("trial")}, target)
    table = pyarrow.parquet.read_table(target)
    spoilt = ["{}", *table.column("record").to_pylist()[1:]]
    place = table.schema.get_field_index("record")
    pyarrow.parquet.write_table(table.set_column(place, table.schema.field(place), pyarrow.array(spoilt)), target)
    first, *others = scan_pack(target, "trial", WholeRun)
    assert isinstance(first, Damage)
    assert "000-first" in str(first)
    assert all(isinstance(run, WholeRun) for run in others)
