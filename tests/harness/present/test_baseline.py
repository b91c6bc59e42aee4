"""What a baseline holds: in words, no id cut."""

from __future__ import annotations

import json

import pytest

from harness.analyse.side import read_side
from harness.present.baseline import render_baseline
from harness.store.write import write_record


@pytest.fixture
def side(tmp_path, make_case, make_record):
    for size in (1024, 64):
        for repeat in range(2):
            parameters = {"size_bytes": size, "seed": 0}
            case = make_case(kernel="invented_with_a_long_name", problem=f"{size:08d}", parameters=parameters)
            write_record(tmp_path, make_record(case, [1.0] * 3, repeat, ended="2026-01-01T10:00:00.000+00:00"))
    return read_side(str(tmp_path), tmp_path)


def test_people_see_cases_by_size_in_words_and_whole_ids(side, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = render_baseline(side, "text").splitlines()
    assert lines[1].split() == [
        "1",
        "2",
        "6",
        "2026-01-01",
        "invented_with_a_long_name",
        "plain,",
        "size_bytes=64",
        "B",
    ]
    assert lines[2].strip() == "invented_with_a_long_name.plain.n1r1t1.00000064"
    assert lines[-1] == "invented_with_a_long_name: seed=0 · device cpu · stack bare · nodes 1 · ranks 1 · threads 1"


def test_programs_get_ids_and_parameters(side):
    rows = json.loads(render_baseline(side, "json"))
    assert [row["parameters"]["size_bytes"] for row in rows] == [64, 1024]
    assert {"case_id", "kernel_version", "stack", "launches", "samples", "ended"} <= set(rows[0])
