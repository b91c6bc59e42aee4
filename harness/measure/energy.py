"""Energy, where the machine tells it: the processors' own counters (RAPL) and the GPUs' (NVML)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from kernels.api import Figure

_POWERCAP = Path("/sys/class/powercap")
# AMD's processors stand there under the same name. A package's counter holds its cores' and its graphics' but not the
# memory's; that of the platform ("psys") would count all of them once more
_ZONES = "intel-rapl:[0-9]*"
_COUNTED = re.compile(r"package|dram$")


class Counter(Protocol):
    """A count of joules that only rises, and starts anew after ``range_j``."""

    range_j: float

    def read_j(self) -> float:
        """The count now."""


class RaplCounter:
    """The counter of one zone below ``/sys/class/powercap`` (Linux, Documentation/power/powercap)."""

    def __init__(self, zone: Path) -> None:
        self._count = zone / "energy_uj"
        self.range_j = int((zone / "max_energy_range_uj").read_text()) * 1e-6

    def read_j(self) -> float:
        return int(self._count.read_text()) * 1e-6


class NvmlCounter:
    """One GPU's counter since its driver was loaded."""

    range_j = float("inf")

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def read_j(self) -> float:
        import pynvml

        return pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) * 1e-3


class EnergyMeter:
    """What all nodes of the job take between `start` and `stop`. Every method is called on all ranks together.

    The first rank of each node reads the counters of the whole node, whoever uses it, so idle cores count as well.
    """

    def __init__(self, comm: Any, local_rank: int, root: Path = _POWERCAP) -> None:
        self._comm = comm
        self._counters = [*find_rapl(root), *find_nvml()] if local_rank == 0 else []
        told = comm.allgather(local_rank != 0 or bool(self._counters))
        self._told = all(told)
        self._started_j: list[float] = []

    def start(self) -> None:
        """From here on."""
        self._started_j = [counter.read_j() for counter in self._counters]

    def stop(self) -> float | None:
        """Joules since `start` over all nodes, on every rank; None where a node does not tell."""
        spent_j = [
            # a count that has started anew is behind by its range
            (counter.read_j() - started_j) % counter.range_j
            for counter, started_j in zip(self._counters, self._started_j, strict=True)
        ]
        return sum(self._comm.allgather(sum(spent_j))) if self._told else None


def find_rapl(root: Path = _POWERCAP) -> list[Counter]:
    """The counters of packages and of their memory that may be read; since 2020 Linux lets only root."""
    found: list[Counter] = []
    for zone in sorted(root.glob(_ZONES)):
        try:
            if not _COUNTED.match((zone / "name").read_text()):
                continue
            counter = RaplCounter(zone)
            counter.read_j()
        except OSError:
            continue
        found.append(counter)
    return found


def find_nvml() -> list[Counter]:
    """The GPUs' counters, where NVML is there and knows them (Volta and later)."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        # neither the package nor the driver is asked of anybody, and NVML's own error class goes with the package
        return []
    found: list[Counter] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        counter = NvmlCounter(pynvml.nvmlDeviceGetHandleByIndex(index))
        try:
            counter.read_j()
        except pynvml.NVMLError:
            continue
        found.append(counter)
    return found


def energy_figures(spent_j: float | None, steps: int, items: float) -> list[Figure]:
    """Joules a step of all ranks and items a joule; none where nobody told."""
    if not spent_j or not steps:
        return []
    return [
        Figure(name="energy", value=spent_j / steps, unit="J", better="lower"),
        Figure(name="items_per_joule", value=items * steps / spent_j, unit="1/J", better="higher"),
    ]
