"""Backend ``gpu`` of `calibrate`: the rank's GPU, its memory and the way between it and the host's memory.

The link between GPUs is not timed, so work on them gets no limit of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch

from kernels.api import Figure
from kernels.calibration.arithmetic import DTYPES, MatrixProbe
from kernels.calibration.calibrate import Calibrate, CalibrateParameters
from kernels.calibration.limits import Rates
from kernels.communication.process_group import local_device

# working sets, in bytes: what a GPU's cache may keep, and what it does not
_SIZES_BYTES = (1 << 24, 1 << 26, 1 << 28, 1 << 30)
_COPIED_BYTES = 1 << 28
# launches in a row, so that the device does not wait for the host between two of them
_REPEATS = 20


class GpuCalibrate(Calibrate):
    """Every rank times its own GPU while the others time theirs."""

    def __init__(self, parameters: CalibrateParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._place = local_device(comm, device)
        self._matrices = MatrixProbe(self._place, self.synchronize, parameters.seed)
        self._memory = torch.ones(_SIZES_BYTES[-1] // 4, dtype=torch.float32, device=self._place)
        # only from pages that stay where they are does the device copy by itself
        self._host = torch.randint(256, (_COPIED_BYTES,), dtype=torch.uint8).pin_memory()
        self._copied = torch.empty_like(self._host, device=self._place)
        self._returned = torch.empty_like(self._host).pin_memory()
        self._ways: dict[str, float] = {}

    def synchronize(self) -> None:
        """Wait for this rank's GPU."""
        torch.cuda.synchronize(self._place)

    def measure(self) -> Rates:
        """Memory and matrices of all GPUs together, then the way to them."""
        self.comm.Barrier()
        bandwidth = {size: max(self._loop_rates(size).values()) for size in _SIZES_BYTES}
        arithmetic = {dtype: self._matrices.rate(dtype) for dtype in DTYPES}
        self.comm.Barrier()
        copies = {
            "host_to_device": lambda: self._copied.copy_(self._host, non_blocking=True),
            "device_to_host": lambda: self._returned.copy_(self._copied, non_blocking=True),
        }
        rates = {name: _COPIED_BYTES / self._time(copy, 1) for name, copy in copies.items()}
        rates |= {f"device_{name}": rate for name, rate in self._loop_rates(_SIZES_BYTES[-1]).items()}
        self._ways = {name: max(rate, self._ways.get(name, 0.0)) for name, rate in rates.items()}
        return Rates(bandwidth=bandwidth, arithmetic=arithmetic)

    def told(self) -> list[Figure]:
        """Loops through the device's memory, as those of `kernels.calibration.memory`, and copies to and from it."""
        found: dict[str, float] = {}
        for ways in self.comm.allgather(self._ways):
            found |= {name: max(rate, found.get(name, 0.0)) for name, rate in ways.items()}
        return [Figure(name=name, value=rate, unit="B/s", better="higher") for name, rate in found.items()]

    def errors(self) -> list[float]:
        """Of the products and of the bytes that went to the device and came back; infinite where these differ."""
        self.synchronize()
        returned = torch.equal(self._returned, self._host)
        return [*(self._matrices.error(dtype) for dtype in DTYPES), 0.0 if returned else float("inf")]

    def _loop_rates(self, size_bytes: int) -> dict[str, float]:
        """Bytes a second of copy, triad, update and read in a working set of that size."""
        whole = self._memory[: size_bytes // 4]
        halves, thirds = whole.chunk(2), self._memory[: size_bytes // 12 * 3].chunk(3)
        loops: dict[str, tuple[Callable[[], object], float]] = {
            "copy": (lambda: halves[0].copy_(halves[1]), 1),
            "triad": (lambda: torch.add(thirds[0], thirds[1], alpha=0.5, out=thirds[2]), 1),
            "update": (lambda: whole.mul_(1.0), 2),
            "read": (lambda: whole.sum(), 1),
        }
        return {name: size_bytes * moves / self._time(loop, _REPEATS) for name, (loop, moves) in loops.items()}

    def _time(self, work: Callable[[], object], repeats: int) -> float:
        """Seconds a call, once the device has done them all."""
        work()
        self.synchronize()
        start_s = perf_counter()
        for _ in range(repeats):
            work()
        self.synchronize()
        return (perf_counter() - start_s) / repeats
