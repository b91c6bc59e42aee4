"""Kernel ``calibrate``: what this machine can do at best, from which the limits of all other kernels follow.

A step is one round of short timings, on all ranks and threads of the scale together; the best of all rounds stands,
as in STREAM. See ``docs/limits.md`` for each figure.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any

from msgspec import Meta

from kernels.api import Backend, Check, Figure, Kernel, Parameters, Work, Workload
from kernels.calibration.limits import Rates, best_of
from kernels.communication.process_group import cuda_missing
from kernels.declaring import imported


class CalibrateParameters(Parameters, frozen=True):
    """Nothing is asked about the machine: the scale says what is calibrated."""

    seed: Annotated[int, Meta(ge=0, description="seed of the matrices, files and messages")] = 0


class Calibrate(Workload):
    """What the backends share. A backend defines `measure`, `told` and `errors`."""

    parameters: CalibrateParameters

    def __init__(self, parameters: CalibrateParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._best = Rates()

    @abstractmethod
    def measure(self) -> Rates:
        """One round of all timings."""

    @abstractmethod
    def told(self) -> list[Figure]:
        """What was measured beside the rates that limits are made from."""

    @abstractmethod
    def errors(self) -> list[float]:
        """How far the results of what was timed are from the right ones, over what each may be off."""

    def remark(self) -> str:
        """What spoils the figures, in a phrase; empty when nothing does. All ranks call it together."""
        return ""

    def step(self) -> None:
        """One round; the best of all stays."""
        self._best = best_of([self._best, self.measure()])

    def rates(self) -> Rates:
        """The best of all rounds and ranks, each for one rank while all do the same. All ranks call it together."""
        return best_of(self.comm.allgather(self._best))

    def figures(self, step_s: float) -> list[Figure]:
        """Every rate and cost, of one rank while all do the same."""
        return [*_figures(self.rates()), *self.told()]

    def verify(self) -> Check:
        """Whether what was timed was also done: a rate of wrong results would be none."""
        return Check(
            error=max(self.comm.allgather(max(self.errors()))),
            tolerance=1.0,
            reference="products in float64 and the bytes that were written and sent, over what each may be off",
        )

    def work(self) -> Work:
        """A round; it has no limit of its own."""
        return Work(items=1, item="round")


def _figures(rates: Rates) -> list[Figure]:
    found = [(f"bandwidth_{_binary(size)}", rate, "B/s") for size, rate in sorted(rates.bandwidth.items())]
    found += [(f"matrix_{dtype}", rate, "flop/s") for dtype, rate in rates.arithmetic.items()]
    for place, link in (("within_node", rates.within_node), ("between_nodes", rates.between_nodes)):
        if link:
            found += [
                (f"{place}_latency", link.latency_s, "s"),
                (f"{place}_bandwidth", 1 / link.beta_s_per_byte, "B/s"),
            ]
    found += [(name, rate, "B/s") for name, rate in (("page_cache", rates.page_cache), ("disk", rates.disk)) if rate]
    return [
        Figure(name=name, value=value, unit=unit, better="lower" if unit == "s" else "higher")
        for name, value, unit in found
    ]


def _binary(size_bytes: int) -> str:
    power = (size_bytes.bit_length() - 1) // 10
    return f"{size_bytes >> 10 * power}{('B', 'KiB', 'MiB', 'GiB')[power]}"


def _host_missing(device: str) -> str | None:
    return "measures the CPUs; ask for --backend gpu" if device != "cpu" else None


def _gpu_missing(device: str) -> str | None:
    return "measures a GPU; ask for --device cuda" if device == "cpu" else cuda_missing()


KERNEL = Kernel(
    name="calibrate",
    version=3,
    summary="what the machine can do at best: memory, caches, matrices, links, files; the limits of all others",
    parameters=CalibrateParameters,
    backends={
        "host": Backend(
            "the CPUs, their memory, the links between ranks and the file system",
            imported("kernels.calibration.host:HostCalibrate"),
            _host_missing,
        ),
        "gpu": Backend(
            "the rank's GPU, its memory and the way to it",
            imported("kernels.calibration.gpu:GpuCalibrate"),
            _gpu_missing,
        ),
    },
    reference="host",
    scaling="every rank does the same: a rate that falls with the ranks is what they share",
)
