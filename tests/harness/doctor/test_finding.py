from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from harness.doctor.finding import Area, Examination, Finding, conduct

AREA = Area("somewhere")


def _raises() -> Iterator[Finding]:
    yield AREA.ok("first", "seen")
    raise ValueError("file /proc/x has 3 columns")


def test_an_examination_that_raises_becomes_a_finding_and_the_rest_goes_on() -> None:
    after = Examination(AREA, "after", lambda: [AREA.ok("after", "seen too")])
    broken, last = list(conduct([Examination(AREA, "broken", _raises), after]))[-2:]
    assert (broken.severity, broken.subject) == ("warning", "broken")
    assert "ValueError: file /proc/x has 3 columns" in broken.found
    assert last.found == "seen too"


def test_what_was_found_before_an_examination_raised_is_kept() -> None:
    assert [finding.subject for finding in conduct([Examination(AREA, "broken", _raises)])] == ["first", "broken"]


def test_an_examination_that_hangs_is_left_behind() -> None:
    gate = threading.Event()
    started = time.monotonic()
    findings = list(conduct([Examination(AREA, "stuck", lambda: [AREA.ok("late", str(gate.wait()))], limit_s=0.2)]))
    gate.set()
    assert time.monotonic() - started < 5
    assert [finding.severity for finding in findings] == ["warning"]
    assert "no answer" in findings[0].found
