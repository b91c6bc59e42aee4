from __future__ import annotations

import csv
import io
import json

import pytest

from harness.doctor.finding import Area
from harness.present import diagnosis

AREA = Area("memory")
FINDINGS = [
    AREA.ok("size", "25 GB"),
    AREA.warning("swap", "in use " * 12, "it is slow " * 12, "end " * 30),
    AREA.note("huge pages", "madvise", "torch does not ask", "pip install 'scalemark[peers]'"),
    Area("MPI").error("two ranks", "count 1, 1", "they do not meet", "mend it"),
]


@pytest.mark.parametrize("width", [80, 120])
def test_what_will_bite_comes_first_and_all_fits(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = diagnosis.render(FINDINGS, "text")
    assert text.startswith("a sweep would fail: 1 error, 1 warning, 1 note, 1 fine")
    places = [text.index(words) for words in ("MPI, two ranks", "memory, swap", "✓ size", "• huge pages")]
    assert places == sorted(places)
    assert "pip install 'scalemark[peers]'" in text
    assert max(map(len, text.splitlines())) <= width


def test_programs_get_every_finding_in_order() -> None:
    rows = json.loads(diagnosis.render(FINDINGS, "json"))
    assert [row["severity"] for row in rows] == ["ok", "warning", "note", "error"]
    assert set(rows[0]) == {"area", "subject", "severity", "found", "reason", "action"}
    assert list(csv.DictReader(io.StringIO(diagnosis.render(FINDINGS, "csv")))) == rows
