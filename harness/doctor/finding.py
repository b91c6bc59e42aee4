"""A finding: one thing that was looked at, how bad it is, why it matters, and what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from msgspec import Struct

# an "error" makes a sweep fail, a "warning" costs time or makes numbers doubtful, a "note" is good to know
Severity = Literal["ok", "note", "warning", "error"]


class Finding(Struct, frozen=True, kw_only=True):
    """What an examination found. ``reason`` and ``action`` are empty where nothing needs doing."""

    area: str
    subject: str
    severity: Severity
    found: str
    reason: str = ""
    action: str = ""


class Area(Struct, frozen=True):
    """A part of the machine; makes the findings about it."""

    name: str

    def ok(self, subject: str, found: str) -> Finding:
        """As it should be."""
        return Finding(area=self.name, subject=subject, severity="ok", found=found)

    def note(self, subject: str, found: str, reason: str, action: str) -> Finding:
        """Good to know when numbers are read."""
        return self.judge("note", subject, found, reason, action)

    def warning(self, subject: str, found: str, reason: str, action: str) -> Finding:
        """Costs time, or makes measured numbers doubtful."""
        return self.judge("warning", subject, found, reason, action)

    def error(self, subject: str, found: str, reason: str, action: str) -> Finding:
        """Makes a sweep fail."""
        return self.judge("error", subject, found, reason, action)

    def judge(self, severity: Severity, subject: str, found: str, reason: str, action: str) -> Finding:
        """A finding whose severity depends on what was asked for."""
        return Finding(area=self.name, subject=subject, severity=severity, found=found, reason=reason, action=action)


class Examination(Struct, frozen=True):
    """A look at one concern. ``look`` may raise and may hang: `conduct` makes findings of both."""

    area: Area
    subject: str
    look: Callable[[], Iterable[Finding]]
    limit_s: float = 20.0


def conduct(examinations: Iterable[Examination]) -> Iterator[Finding]:
    """All findings, in order, within each examination's time limit."""
    for examination in examinations:
        yield from _conduct_one(examination)


def _conduct_one(examination: Examination) -> list[Finding]:
    findings: list[Finding] = []

    def look() -> None:
        try:
            findings.extend(examination.look())
        except Exception as error:
            findings.append(_explain(examination, error))

    # a file system whose server is gone blocks whoever asks it, beyond any signal: the thread is left behind
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(examination.limit_s)
    if not thread.is_alive():
        return findings
    return [
        *findings,
        examination.area.warning(
            examination.subject,
            f"no answer within {examination.limit_s:.0f} s",
            "what does not answer here will make a sweep wait as well",
            "see which command or file system hangs: ps -eo pid,stat,wchan:30,args | grep ' D'",
        ),
    ]


def _explain(examination: Examination, error: Exception) -> Finding:
    return examination.area.warning(
        examination.subject,
        f"could not be examined: {type(error).__name__}: {error}",
        "the examination met something it does not know",
        "look at it by hand, and report this line: doctor should have a sentence for it",
    )


def in_gb(count_bytes: float) -> str:
    """Bytes as people compare machines by them, such as ``25.3 GB``."""
    return f"{count_bytes / 1e9:.3g} GB"
