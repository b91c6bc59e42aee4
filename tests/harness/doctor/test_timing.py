from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import timing
from harness.store.record import Timer

Machine = Callable[[dict[str, str]], Path]
SOURCE = "sys/devices/system/clocksource/clocksource0"


@pytest.mark.parametrize(("source", "severity"), [("tsc", "ok"), ("kvm-clock", "ok"), ("hpet", "warning")])
def test_a_source_that_costs_a_system_call_is_a_warning(machine: Machine, source: str, severity: str) -> None:
    root = machine(
        {f"{SOURCE}/current_clocksource": source, f"{SOURCE}/available_clocksource": f"tsc {source} acpi_pm"}
    )
    (found,) = timing.examine_source(root)
    assert found.severity == severity
    assert severity == "ok" or "echo tsc >" in found.action


@pytest.mark.parametrize(("cost_s", "resolution_s"), [(1e-6, 1e-9), (5e-8, 1e-6)])
def test_a_timer_that_is_slow_or_coarse_says_below_what_it_lies(cost_s: float, resolution_s: float) -> None:
    found = timing.judge_timer(Timer(clock="x", resolution_s=resolution_s, cost_s=cost_s))
    assert found.severity == "warning"
    assert "shorter than 100 µs" in found.reason


def test_this_machines_timer_is_measured() -> None:
    (found,) = timing.examine_timer()
    assert "ns" in found.found
