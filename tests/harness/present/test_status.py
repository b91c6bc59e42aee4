"""How far sweeps are: each open case in words, with the whole id that `scalemark forget` takes."""

from __future__ import annotations

import json

import pytest

from harness.analyse.scaling import ScalingTable, TableRow
from harness.present.status import render_status


@pytest.fixture
def table():
    """One case done, two not begun, one failed."""

    def row(size, status, message=""):
        case_id = f"invented_with_a_long_name.implementation.n1r2t1.{size:08x}"
        return TableRow(
            sweep="trial", case_id=case_id, kernel="invented_with_a_long_name", backend="implementation",
            parameters={"size_bytes": size}, nodes=1, ranks=2, threads=1, stack="bare", status=status, message=message,
        )  # fmt: skip

    rows = [row(8, "ok"), row(16, "missing", "not measured yet"), row(32, "missing", "not measured yet")]
    return ScalingTable(sweep="trial", mode="strong", rows=[*rows, row(1024, "failed", "it broke")])


def test_open_cases_stand_under_their_reason_and_no_id_is_cut_on_a_narrow_terminal(table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = render_status([table], [], "text")
    assert (
        "trial: missing, 2 cases: not measured yet\n  invented_with_a_long_name implementation, size_bytes=16 B" in text
    )
    assert "trial: failed, 1 case: it broke\n  invented_with_a_long_name implementation, size_bytes=1 KiB" in text
    lines = [line.strip() for line in text.splitlines()]
    assert all(row.case_id in lines for row in table.rows[1:])
    assert table.rows[0].case_id not in text


def test_ids_stand_beside_the_names_on_a_wide_terminal(table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = render_status([table], [], "text")
    assert f"size_bytes=16 B  {table.rows[1].case_id}\n" in text


def test_programs_get_every_case_and_what_it_is(table):
    rows = json.loads(render_status([table], [], "json"))
    assert [row["status"] for row in rows] == ["ok", "missing", "missing", "failed"]
    assert rows[3]["parameters"] == {"size_bytes": 1024}
    assert "size_bytes=1 KiB |" in render_status([table], [], "markdown")
