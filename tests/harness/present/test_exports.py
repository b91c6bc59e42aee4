import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pandas
import pytest

from harness.analyse.tabulate import make_table
from harness.present import exports
from harness.present.exports.measured import Measured
from harness.store.imports import read_foreign
from harness.store.manifest import write_manifest
from harness.store.read import WholeRun, scan_runs
from harness.store.write import runs_folder, write_record
from kernels.api import Check, Figure, InputError


@pytest.fixture
def measured(tmp_path, make_case, make_record, make_sweep):
    """One series over 1 and 2 ranks in two launches, one failed case, a wrong answer and one never measured."""
    one, two = make_case(1), make_case(2)
    failed, wrong, never = (make_case(problem=name) for name in ("failed", "wrong", "never"))
    for repeat in range(2):
        for case in (one, two):
            figures = [Figure(name="rate", value=3.0, unit="B/s", better="higher")]
            write_record(tmp_path, make_record(case, [8.0 / case.scale.ranks + repeat] * 3, repeat, figures=figures))
    write_record(tmp_path, make_record(failed, status="failed", message='broke: <"&\x1b>'))
    bad = Check(error=1.0, tolerance=0.1, reference="itself")
    write_record(tmp_path, make_record(wrong, check=bad, message="wrong"))
    write_manifest(tmp_path, make_sweep([one, two, failed, wrong, never]))
    runs = list(scan_runs(runs_folder(tmp_path, "trial"), WholeRun))
    return Measured(tables=[make_table(tmp_path, "trial")], runs=runs)


def test_every_format_renders_what_was_measured(measured):
    for format_ in exports.FORMATS:
        assert exports.render(measured, format_)


def test_csv_json_and_parquet_hold_the_same_rows(measured):
    from_csv = pandas.read_csv(io.BytesIO(exports.render(measured, "csv")))
    from_parquet = pandas.read_parquet(io.BytesIO(exports.render(measured, "parquet")))
    from_json = pandas.DataFrame(json.loads(exports.render(measured, "json")))
    for column in ("case_id", "median_s", "status", "speedup"):
        expected = [None if pandas.isna(value) else value for value in from_json[column]]
        for frame in (from_csv, from_parquet):
            assert [None if pandas.isna(value) else value for value in frame[column]] == expected


def test_pytest_benchmark_comes_back_with_every_sample(measured, tmp_path):
    path = tmp_path / "out.json"
    path.write_bytes(exports.render(measured, "pytest-benchmark"))
    runs, damages = read_foreign(path)
    assert damages == []
    samples = {run.case.id.rpartition("::")[2]: run.samples_s for run in runs}
    assert samples["invented.plain.n1r1t1.00000000"] == [8.0] * 3 + [9.0] * 3
    benchmark = json.loads(path.read_bytes())["benchmarks"][0]
    assert (benchmark["param"], benchmark["extra_info"]["launches"]) == ("ranks 1", 2)
    stats = benchmark["stats"]
    assert (stats["median"], stats["mean"], stats["rounds"], stats["iqr"]) == (8.5, 8.5, 6, 1.0)
    command = str(Path(sys.executable).with_name("pytest-benchmark"))
    done = subprocess.run([command, "compare", str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "invented.plain.n1r1t1.00000000[ranks 1]" in done.stdout


def test_extra_p_has_a_region_a_series_and_a_value_a_launch(measured):
    assert exports.render(measured, "extra-p").decode().splitlines() == [
        "PARAMETER ranks",
        "POINTS (1) (2)",
        "METRIC time",
        "REGION trial.invented.plain.t1.00000000.cpu.bare",
        "DATA 8.000000000000 9.000000000000",
        "DATA 4.000000000000 5.000000000000",
    ]


def test_extra_p_tells_series_apart_in_words_without_spaces(measured):
    table = measured.tables[0]
    rows = [row for row in table.rows if row.counts]
    bigger = [msgspec.structs.replace(row, series="other", parameters={"size_bytes": 2048, "seed": 0}) for row in rows]
    both = msgspec.structs.replace(measured, tables=[msgspec.structs.replace(table, rows=[*rows, *bigger])])
    lines = exports.render(both, "extra-p").decode().splitlines()
    assert [line for line in lines if line.startswith("REGION")] == [
        "REGION trial.invented.plain.t1.00000000.cpu.bare.size_bytes=1KiB",
        "REGION trial.other.cpu.bare.size_bytes=2KiB",
    ]


def test_extra_p_refuses_what_does_not_grow(measured):
    table = measured.tables[0]
    rows = [row for row in table.rows if row.ranks == 1]
    flat = msgspec.structs.replace(measured, tables=[msgspec.structs.replace(table, rows=rows)])
    with pytest.raises(InputError, match="no series of two scales"):
        exports.render(flat, "extra-p")


def test_openmetrics_names_end_in_their_units_and_the_text_in_eof(measured):
    lines = exports.render(measured, "openmetrics").decode().splitlines()
    assert lines[-1] == "# EOF"
    assert lines.count("# EOF") == 1
    for line in lines:
        if line.startswith("# UNIT"):
            _, _, name, unit = line.split()
            assert name.endswith(f"_{unit}")
    medians = [line for line in lines if line.startswith("scalemark_median_seconds{")]
    assert any('ranks="2"' in line and line.endswith("} 4.5") for line in medians)
    assert all('parameter_size_bytes="1024",parameter_seed="0"' in line for line in medians)
    assert any(
        line.startswith("scalemark_figure{") and 'figure="rate",figure_unit="B/s"} 3.0' in line for line in lines
    )


def test_junit_tells_failures_wrong_answers_and_what_was_skipped(measured):
    (suite,) = ElementTree.fromstring(exports.render(measured, "junit"))
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "5", "failures": "2", "skipped": "1",
    }  # fmt: skip
    failures = {case.get("name").split()[0].rpartition(".")[2]: case.find("failure") for case in suite}
    assert "invented.plain.n1r2t1.00000000 (ranks 2)" in [case.get("name") for case in suite]
    assert failures["failed"].get("message") == 'broke: <"&�>'
    assert failures["wrong"].get("type") == "wrong answer"
    assert failures["00000000"] is None


def test_junit_has_an_error_for_every_damaged_file(measured, tmp_path):
    next((tmp_path / "runs").glob("*/*/*.json")).with_name("bad\x01.json").write_text("{")
    table = make_table(tmp_path, "trial")
    root = ElementTree.fromstring(exports.render(Measured(tables=[table], runs=measured.runs), "junit"))
    (suite,) = root
    (case,) = [case for case in suite if case.find("error") is not None]
    assert case.get("name").endswith("bad\ufffd.json")
    assert "the end of a cut file" in case.find("error").get("message")
    assert suite.get("errors") == "1"
    assert int(suite.get("tests")) == len(list(suite.iter("testcase")))
