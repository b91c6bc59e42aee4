"""How often to time something of which the quickest trial counts."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

# on a quiet machine all trials fit in; where ranks share cores one may have to do
_WITHIN_S = 0.1


def quickest_s(work: Callable[[], object], trials: int, within_s: float = _WITHIN_S) -> float:
    """Seconds of the quickest of at most ``trials``, of which none but the first begins after ``within_s``."""
    end_s = perf_counter() + within_s
    best_s = float("inf")
    for _ in range(trials):
        start_s = perf_counter()
        work()
        now_s = perf_counter()
        best_s = min(best_s, now_s - start_s)
        if now_s > end_s:
            break
    return best_s
