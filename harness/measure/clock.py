"""The clock samples are taken with, and what it can resolve."""

from __future__ import annotations

import itertools
import time

from harness.store.record import Timer

now_ns = time.perf_counter_ns
_READINGS = 2000


def measure_timer() -> Timer:
    """The clock's resolution (smallest step seen between two readings) and the mean cost of a reading, in seconds."""
    readings = [now_ns() for _ in range(_READINGS)]
    steps = [after - before for before, after in itertools.pairwise(readings) if after > before]
    return Timer(
        clock=time.get_clock_info("perf_counter").implementation,
        resolution_s=min(steps) * 1e-9,
        cost_s=(readings[-1] - readings[0]) / (_READINGS - 1) * 1e-9,
    )
