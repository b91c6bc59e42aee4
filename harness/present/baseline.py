"""What a baseline holds, case by case."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from harness.analyse.side import Outcome, Side
from harness.case import Case, CaseColumns
from harness.present import render
from harness.present.naming import CaseNames, place, shared_by_kernel


class HeldCase(CaseColumns, frozen=True, kw_only=True):
    """A case of a baseline; ``ended`` is when its newest launch did (UTC, ISO 8601)."""

    kernel_version: int
    stack: str
    launches: int
    samples: int
    ended: str


def render_baseline(side: Side, format_: str) -> str:
    """The cases: for people in words, the id below; for programs in columns."""
    held = (_hold(side.cases[case_id], outcomes) for case_id, outcomes in side.outcomes.items())
    cases = sorted(held, key=place)
    names = CaseNames(cases)
    if format_ != "text":
        return render.rows([_row(item) | names.columns(item, format_) for item in cases], format_)
    return "\n".join([*_text(cases, names), "", *shared_by_kernel(cases)])


def _hold(case: Case, outcomes: list[Outcome]) -> HeldCase:
    return HeldCase(
        **case.describe(),
        kernel_version=max(outcome.kernel_version for outcome in outcomes),
        stack=", ".join(sorted({outcome.stack for outcome in outcomes})),
        launches=sum(outcome.status == "ok" for outcome in outcomes),
        samples=sum(outcome.samples for outcome in outcomes),
        ended=max(outcome.ended for outcome in outcomes),
    )


def _row(item: HeldCase) -> dict[str, Any]:
    return {
        name: getattr(item, name) for name in ("case_id", "kernel_version", "stack", "launches", "samples", "ended")
    }


def _text(cases: list[HeldCase], names: CaseNames) -> list[str]:
    """A line a case; its name and id are the last in it and never broken."""
    headers = ("version", "launches", "samples", "ended")
    numbers = [(f"{item.kernel_version}", f"{item.launches:,}", f"{item.samples:,}", item.ended[:10]) for item in cases]
    widths = [max(map(len, column)) for column in zip(headers, *numbers, strict=True)]
    indent = " " * (sum(widths) + 2 * len(widths))
    lines = ["  ".join([*map(str.rjust, headers, widths), "case"])]
    for line, (name, *below) in zip(numbers, names.lines(cases, Console().width - len(indent)), strict=True):
        lines += ["  ".join([*map(str.rjust, line, widths), name]), *(indent + part for part in below)]
    return lines
