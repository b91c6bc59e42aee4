import csv
import io
import json

import msgspec
import pytest

from harness.analyse.circumstances import Difference
from harness.analyse.compare import CompareTable, Comparison
from harness.present.comparison import render
from harness.present.history import sparkline


@pytest.fixture
def table():
    numbers = {
        "ratio": 1.2,
        "low": 1.1,
        "high": 1.3,
        "base": 1e-3,
        "new": 1.2e-3,
        "base_launches": 5,
        "new_launches": 5,
    }
    rows = [
        *[Comparison(case_id=f"k.same{index}", verdict="same", **numbers) for index in range(500)],
        Comparison(case_id="k.slow|er", verdict="slower", **numbers),
        Comparison(
            case_id="k.open", verdict="inconclusive", message="3 more launches a side would settle it", **numbers
        ),
        Comparison(case_id="k.gone", verdict="missing", message="measured in BASE, not in NEW", base=1e-3),
    ]
    differences = [Difference("libraries.numpy", "2.0", "2.1")]
    return CompareTable(base="@main", new="results", metric="time", threshold=0.05, rows=rows, differences=differences)


def test_people_see_differences_then_bad_verdicts_and_unchanged_cases_only_counted(table):
    lines = render(table, "text").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["what", "BASE", "libraries.numpy"]
    assert "k.same1" not in "\n".join(lines)
    assert next(index for index, line in enumerate(lines) if "k.slow" in line) < next(
        index for index, line in enumerate(lines) if "k.open" in line
    )
    assert lines[-1].startswith("1 slower, 1 missing, 1 inconclusive, 500 same")
    assert len(lines) < 20


def test_programs_get_every_case_with_the_promised_fields(table):
    found = json.loads(render(table, "json"))
    assert len(found) == 503
    assert {"case_id", "verdict", "ratio", "low", "high", "message"} <= set(found[0])
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [row["verdict"] for row in rows] == [row["verdict"] for row in found]


def test_a_pull_request_comment_folds_unchanged_cases_away(table):
    text = render(table, "markdown")
    assert text.startswith("**scalemark: 1 slower, 1 missing, 1 inconclusive, 500 same**")
    assert text.index("k.slow\\|er") < text.index("<details><summary>500 same</summary>") < text.index("k.same1 ")


@pytest.fixture
def single():
    """What two files of one launch each say: a ratio, no interval."""
    common = {"verdict": "inconclusive", "base_launches": 1, "new_launches": 1, "message": "one launch a side"}
    rows = [
        Comparison(
            case_id=f"osu.MPI-Allreduce-Latency.{size}", kernel="osu", ratio=1.25, base=2e-6, new=2.5e-6, **common
        )
        for size in (8, 1024)
    ]
    return CompareTable(base="a.txt", new="b.txt", metric="time", threshold=0.05, rows=rows, differences=[])


@pytest.mark.parametrize("format_", ["text", "markdown"])
def test_a_ratio_without_an_interval_is_shown_and_said_to_be_without_verdict(single, format_):
    text = render(single, format_)
    for word in ("2.00 µs", "2.50 µs", "1.250", "cannot be judged", "one launch a side", "osu.MPI-Allreduce-Latency.8"):
        assert word in text
    if format_ == "text":
        assert text.count("one launch a side") == 1


def test_words_tell_cases_apart_and_ids_stand_beside_them_on_a_wide_terminal(monkeypatch):
    common = {"kernel": "circuit_sim", "backend": "torch", "verdict": "same", "ratio": 1.0, "low": 0.99, "high": 1.01}
    rows = [
        Comparison(
            case_id=f"circuit_sim.torch.n1r1t2.{qubits:08x}", parameters={"qubits": qubits, "layers": 4}, **common
        )
        for qubits in (12, 16)
    ]
    table = CompareTable(base="a", new="b", metric="time", threshold=0.05, rows=rows, differences=[])
    monkeypatch.setenv("COLUMNS", "80")
    narrow = render(table, "text")
    assert "circuit_sim torch, qubits=12\n" in narrow
    assert "circuit_sim.torch" not in narrow
    assert "circuit_sim: layers=4 · device cpu" in narrow
    monkeypatch.setenv("COLUMNS", "160")
    assert "circuit_sim torch, qubits=12  circuit_sim.torch.n1r1t2.0000000c\n" in render(table, "text")
    assert "| circuit_sim torch, qubits=16 |" in render(table, "markdown")
    (row, _) = csv.DictReader(io.StringIO(render(table, "csv")))
    assert json.loads(row["parameters"]) == {"qubits": 12, "layers": 4}


def test_times_near_the_resolution_of_the_clock_are_marked(single):
    assert "~ shorter" not in render(single, "text")
    rows = [msgspec.structs.replace(row, resolution_s=22e-9) for row in single.rows]
    text = render(msgspec.structs.replace(single, rows=rows), "text")
    assert "~ 2.00 µs" in text
    assert "  2.50 µs" in text
    assert "~ shorter than 100 steps of the clock (22.0 ns)" in text


def test_a_sparkline_is_as_high_as_its_values_and_barred_at_changes():
    assert sparkline([1.0, 1.0, 2.0], [2]) == "▁▁│█"
    assert sparkline([3.0], []) == "▁"
