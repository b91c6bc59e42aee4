"""The limit that binds a case: the largest of the lower bounds on its time, over its launches."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from harness.store.read import Run


def binding_limit(runs: Sequence[Run]) -> tuple[str, float] | None:
    """Its name, such as ``memory``, and its seconds; None where no launch tells a limit.

    Launches may have used different calibrations, so each limit is the middle one of theirs.
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, bound_s in run.limits.items():
            found.setdefault(name, []).append(bound_s)
    if not found:
        return None
    bound_s, name = max((median(bounds_s), name) for name, bounds_s in found.items())
    return name.removesuffix("_s").replace("_", " "), bound_s
