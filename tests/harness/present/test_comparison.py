import csv
import io
import json

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
    return CompareTable(
        base="@main", new="results", metric="time", threshold=0.05, rows=rows, differences=differences, damages=[]
    )


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


def test_a_sparkline_is_as_high_as_its_values_and_barred_at_changes():
    assert sparkline([1.0, 1.0, 2.0], [2]) == "▁▁│█"
    assert sparkline([3.0], []) == "▁"
