"""Comparing as a user types it: exit codes, baselines, packed files, imports, exports, history."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness.case import Case, Scale, Sweep, SweepCase
from harness.store.manifest import write_manifest
from harness.store.record import LaunchInfo, Record, Stack
from harness.store.write import write_record

Scalemark = Callable[..., subprocess.CompletedProcess[str]]
STEADY = (1.0, 1.002, 0.998, 1.001, 0.999)


def write_results(folder: str, factor: float = 1.0, spread: float = 1.0, cases: int = 3) -> None:
    """Records of a sweep whose launches differ by 0.2 % times ``spread``."""
    measured = []
    for index in range(cases):
        case = Case(
            kernel="faulty",
            kernel_version=1,
            backend="python",
            parameters={},
            scale=Scale(),
            id=f"faulty.python.{index}",
        )
        for repeat, time_s in enumerate(STEADY):
            record = Record(
                run_id=f"{repeat:03d}-{folder}",
                sweep="naps",
                case=case,
                stack=Stack(),
                launch=LaunchInfo(id=folder, repeat=repeat, launcher="none"),
                status="ok",
                samples_s=[factor * time_s**spread] * 3,
                ended=f"2026-01-0{repeat + 1}",
            )
            write_record(Path(folder), record)
        measured.append(SweepCase(case, "faulty.python.t1"))
    write_manifest(Path(folder), Sweep(name="naps", mode="none", repeats=5, budget_s=1.0, cases=measured))


def verdicts(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {row["verdict"] for row in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("factor", "spread", "arguments", "code", "verdict"),
    [
        (1.0, 1.0, [], 0, "same"),
        (1.1, 1.0, [], 1, "slower"),
        (1.03, 1.0, ["--threshold", "2%"], 1, "slower"),
        (1.1, 40.0, [], 3, "inconclusive"),
    ],
)
def test_the_exit_code_says_what_the_verdicts_say(
    scalemark: Scalemark, factor: float, spread: float, arguments: list[str], code: int, verdict: str
) -> None:
    write_results("old")
    write_results("new", factor, spread)
    done = scalemark("compare", "old", "new", "--format", "json", *arguments)
    assert done.returncode == code, done.stderr
    assert verdicts(done) == {verdict}


def test_a_missing_case_and_a_damaged_file_are_bad_answers(scalemark: Scalemark) -> None:
    write_results("old")
    write_results("new", cases=2)
    done = scalemark("compare", "old", "new", "--format", "json")
    assert done.returncode == 1
    assert verdicts(done) == {"same", "missing"}
    write_results("new")
    Path("new/runs/naps/faulty.python.0/cut.json").write_text('{"schema": 1, ')
    Path("new/runs/naps/faulty.python.0/future.json").write_text('{"schema": 99}')
    Path("new/runs/naps/faulty.python.0/foreign.json").write_text('{"name": "else"}')
    done = scalemark("compare", "old", "new", "--format", "json")
    assert done.returncode == 1
    assert verdicts(done) == {"same"}
    assert all(name in done.stderr for name in ("cut.json", "future.json", "foreign.json"))


def test_a_baseline_is_saved_compared_shown_and_removed(scalemark: Scalemark) -> None:
    write_results("results")
    assert scalemark("baseline", "save", "main").returncode == 0
    shutil.rmtree("results/runs")
    write_results("results", factor=1.2)
    done = scalemark("compare", "@main", "results", "--format", "json")
    assert (done.returncode, verdicts(done)) == (1, {"slower"})
    assert json.loads(scalemark("baseline", "list", "--format", "json").stdout)[0]["name"] == "main"
    assert len(json.loads(scalemark("baseline", "show", "main", "--format", "json").stdout)) == 3
    assert scalemark("baseline", "remove", "main").returncode == 0
    gone = scalemark("compare", "@main", "results")
    assert gone.returncode == 2
    assert "baseline 'main' not found" in gone.stderr


def test_forgetting_can_be_tried_first(scalemark: Scalemark) -> None:
    write_results("results")
    tried = scalemark("forget", "naps", "*.1", "--dry-run")
    assert (tried.returncode, tried.stdout) == (0, "faulty.python.1\n")
    assert "would forget 1 case with 5 files" in tried.stderr
    done = scalemark("forget", "naps", "*.1")
    assert (done.stdout, Path("results/runs/naps/faulty.python.1").exists()) == (tried.stdout, False)


def test_packed_files_are_results_like_any_other(scalemark: Scalemark) -> None:
    write_results("results")
    done = scalemark("pack", "all.parquet")
    assert done.returncode == 0
    assert "15 records, 45 samples" in done.stdout
    done = scalemark("compare", "results", "all.parquet", "--format", "json")
    assert (done.returncode, verdicts(done)) == (0, {"same"})
    tables = [scalemark("table", "--format", "csv", "--results", name).stdout for name in ("results", "all.parquet")]
    assert tables[0] == tables[1]
    assert scalemark("pack", "all.json").returncode == 2


def test_pytest_benchmark_files_are_compared_launch_by_launch(scalemark: Scalemark) -> None:
    for name, factor in (("old", 1.0), ("new", 1.1)):
        Path(name).mkdir()
        for launch, time_s in enumerate(STEADY):
            document = {
                "machine_info": {"node": "here", "cpu": {"brand_raw": "X"}},
                "benchmarks": [{"fullname": "t.py::test", "stats": {"median": time_s * factor}}],
            }
            Path(name, f"{launch}.json").write_bytes(msgspec.json.encode(document))
    done = scalemark("compare", "old", "new", "--format", "json")
    assert (done.returncode, verdicts(done)) == (1, {"slower"})
    assert scalemark("compare", "old/0.json", "new/0.json").returncode == 3


def test_history_ends_with_1_when_the_newest_segment_is_worse(scalemark: Scalemark) -> None:
    write_results("old")
    write_results("new", 1.3)
    for path in Path("new").rglob("*.json"):
        path.write_text(path.read_text().replace("2026-01-0", "2026-02-0"))
    done = scalemark("history", "faulty", "old", "new", "--by", "date")
    assert done.returncode == 1
    assert done.stdout.count("WORSE") == 3
    assert "+30.0 %" in done.stdout
    assert scalemark("history", "faulty", "old").returncode == 0


def test_self_test_and_export_speak(scalemark: Scalemark) -> None:
    write_results("results")
    done = scalemark("compare", "--self-test", "results")
    assert done.returncode == 0
    assert "false alarms: 0.00 % slower" in done.stdout
    done = scalemark("export", "naps", "--format", "junit", "--output", "out/junit.xml")
    assert done.returncode == 0
    assert Path("out/junit.xml").read_text().count("<testcase") == 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["compare", "old"], "--self-test"),
        (["compare", "old", "absent"], "absent"),
        (["compare", "old", "old", "--threshold", "0"], "per cent"),
        (["compare", "old", "old", "--sweep", "other"], "not found"),
        (["export", "--format", "csv", "--results", "absent"], "absent"),
    ],
)
def test_bad_questions_get_one_line_and_exit_code_2(scalemark: Scalemark, arguments: list[str], word: str) -> None:
    write_results("old", cases=1)
    done = scalemark(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(said) == 1
    assert word in said[0]
