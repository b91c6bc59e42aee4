"""Whether the machine tells what energy it takes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.finding import Area, Finding
from harness.measure.energy import find_nvml, find_rapl

AREA = Area("energy")


def examine_counters() -> Iterator[Finding]:
    """The counters that records' joules come from."""
    yield judge_counters(packages=len(find_rapl()), gpus=len(find_nvml()))


def judge_counters(packages: int, gpus: int) -> Finding:
    """What can be measured with so many counters."""
    if packages or gpus:
        return AREA.ok("counters", f"{packages} of processors (RAPL), {gpus} of GPUs (NVML)")
    return AREA.note(
        "counters", "none that can be read, so energy is not measured",
        "records tell no joules a step and no items a joule",
        "on a real machine: chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (root); virtual ones have none",
    )  # fmt: skip
