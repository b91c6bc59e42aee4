"""Who else is using the machine just now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import psutil

from harness.doctor.finding import Area, Finding

AREA = Area("load")
_WINDOW_S = 0.5
# of all cores: less is what any system does in the background
_BUSY_LIMIT = 0.05
_NAMED = 3


class Busy(NamedTuple):
    """A process and how many cores it keeps busy."""

    pid: int
    name: str
    cores: float


def examine_load(cores: int) -> Iterator[Finding]:
    """What other processes take of the CPUs, watched for half a second."""
    yield judge_load(_watch(), cores)


def judge_load(busy: list[Busy], cores: int) -> Finding:
    """Whether others take so much that it shows in samples."""
    total = sum(process.cores for process in busy)
    if total <= _BUSY_LIMIT * cores:
        return AREA.ok("other processes", f"{total:.2f} of {cores} cores busy")
    greatest = sorted(busy, key=lambda process: -process.cores)[:_NAMED]
    named = ", ".join(f"{process.name} ({process.pid}) {process.cores:.2f}" for process in greatest if process.cores)
    return AREA.warning(
        "other processes", f"{total:.2f} of {cores} cores busy: {named}",
        "ranks that share a core with them wait, and all other ranks wait for those",
        "end them, wait for them, or take a node of your own (Slurm: --exclusive)",
    )  # fmt: skip


def _watch() -> list[Busy]:
    before = _cpu_times()
    started = time.perf_counter()
    time.sleep(_WINDOW_S)
    after, window_s = _cpu_times(), time.perf_counter() - started
    return [
        Busy(pid, name, (used - before[pid, name]) / window_s)
        for (pid, name), used in after.items()
        if (pid, name) in before
    ]


def _cpu_times() -> dict[tuple[int, str], float]:
    """CPU seconds of every process but this one."""
    times = {}
    for process in psutil.process_iter(["name", "cpu_times"]):
        used = process.info["cpu_times"]
        if used is not None and process.pid != os.getpid():
            times[process.pid, process.info["name"]] = used.user + used.system
    return times
