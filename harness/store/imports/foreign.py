"""What every import makes of another tool's results: runs like our own, with ids that join across files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from harness.case import Case, Scale
from harness.store.read import StoredFigure, WholeRun
from harness.store.record import SCHEMA, LaunchInfo, Stack

SECONDS = {
    "ps": 1e-12,
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "min": 60.0,
}
# whole words: steps, hops and chips end in "ps" as well
_RATE = re.compile(
    r"(/| per ) ?s(ec(ond)?s?)?$|^[kmgtpe]?(hz|flops|lups|i?bps|fps|iops|ops|ips|tps|qps|rps|pps)$", re.IGNORECASE
)

Better = Literal["higher", "lower", "neither"]


def make_run(
    tool: str,
    name: str,
    samples_s: Sequence[float],
    *,
    launch: str = "",
    started: str = "",
    message: str = "",
    figures: Sequence[StoredFigure] = (),
    environment: dict[str, Any] | None = None,
) -> WholeRun:
    """One benchmark of one launch of another tool; without samples it counts as failed.

    The case's id is ``tool.name``, so two files of the same tool join by the tool's own names; other tools know
    no sweeps.
    """
    case = Case(kernel=tool, kernel_version=0, backend="", parameters={}, scale=Scale(), id=f"{tool}.{name}")
    return WholeRun(
        schema=SCHEMA,
        run_id=launch,
        sweep="",
        case=case,
        stack=Stack(),
        launch=LaunchInfo(id=launch, repeat=0, launcher="none"),
        status="ok" if samples_s else "failed",
        message=message if samples_s else message or f"{tool} reports no time",
        samples_s=list(samples_s),
        figures=list(figures),
        started=started,
        ended=started,
        environment=msgspec.Raw(msgspec.json.encode(environment)),
    )


def better_of(unit: str) -> Better:
    """The better direction of a value in ``unit``: times are better lower, rates higher, of others nobody knows."""
    if unit.lower() in SECONDS:
        return "lower"
    return "higher" if _RATE.search(unit) else "neither"


def seconds_of(value: float, unit: str) -> float | None:
    """Seconds, if ``unit`` is one of time; of a rate the seconds for one unit of it; None for anything else."""
    if value <= 0:
        return None
    better = better_of(unit)
    if better == "lower":
        return value * SECONDS[unit.lower()]
    return 1.0 / value if better == "higher" else None
