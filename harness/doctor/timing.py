"""The clock that samples are taken with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Area, Finding
from harness.doctor.tree import read
from harness.measure.clock import measure_timer
from harness.store.record import Timer

AREA = Area("clock")
_SOURCE = Path("sys/devices/system/clocksource/clocksource0")
# read in user space, without a system call
_FAST_SOURCES = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "timebase")
_COST_LIMIT_S = 200e-9


def examine_source(root: Path) -> Iterator[Finding]:
    """Which counter the kernel tells the time by."""
    current = read(root / _SOURCE / "current_clocksource")
    available = (read(root / _SOURCE / "available_clocksource") or "").split()
    if current is None or current in _FAST_SOURCES:
        yield AREA.ok("source", current or "not told")
        return
    others = [name for name in available if name in _FAST_SOURCES]
    yield AREA.warning(
        "source", f"{current}; there are {', '.join(available)}",
        "each reading costs a system call or a trip to a slow device, about a microsecond",
        f"echo {others[0]} > /{_SOURCE}/current_clocksource (root)" if others else
        "see in the kernel's log why tsc was given up (dmesg | grep -i tsc); time longer steps meanwhile",
    )  # fmt: skip


def examine_timer() -> Iterator[Finding]:
    """What a reading costs and resolves."""
    yield judge_timer(measure_timer())


def judge_timer(timer: Timer) -> Finding:
    """Whether the timer is cheap enough for samples of a microsecond."""
    cost_ns, resolution_ns = timer.cost_s * 1e9, timer.resolution_s * 1e9
    found = f"a reading costs {cost_ns:.0f} ns and resolves {resolution_ns:.0f} ns ({timer.clock})"
    if max(timer.cost_s, timer.resolution_s) <= _COST_LIMIT_S:
        return AREA.ok("timer", found)
    return AREA.warning(
        "timer", found,
        f"steps shorter than {max(cost_ns, resolution_ns) / 10:.0f} µs are wrong by more than one per cent",
        "measure bigger problems, or mend the clock source",
    )  # fmt: skip
