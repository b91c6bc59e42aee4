"""The limits of a launch's cases: the machine is calibrated when a case first asks, and the result kept for later."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.case import Device, Scale
from harness.store.record import Environment, Stack, utc_now
from harness.store.write import write_atomic
from kernels import registry
from kernels.api import Work, Workload
from kernels.calibration.calibrate import Calibrate
from kernels.calibration.limits import Rates, bounds

# the best of them stands; the first also warms up
_ROUNDS = 3


class Calibration(Struct, frozen=True, kw_only=True):
    """A file of ``<results>/calibration``: what was measured, and on what."""

    scale: Scale
    device: Device
    stack: Stack
    machine: dict[str, Any]
    measured: str
    rates: Rates


class LaunchLimits:
    """Limits for the cases of one launch. Every method is called on all ranks together.

    A calibration holds for one kind of machine, its software, and one scale: ranks and threads share what they use.
    """

    def __init__(self, results: Path, comm: Any, scale: Scale, stack: Stack, environment: Environment | None) -> None:
        self._folder = results / "calibration"
        self._comm = comm
        self._scale = scale
        self._stack = stack
        self._machine = _describe(environment) if environment else {}
        self._known: dict[Device, Rates] = {}

    def find(self, work: Work, device: Device) -> dict[str, float]:
        """Seconds that a step of ``work`` takes at least, by what limits it; see `kernels.calibration.limits.bounds`.

        Nothing is measured for work that counts nothing, or where the software to measure with is missing.
        """
        if not self._comm.bcast(_counts(work)):
            return {}
        if device not in self._known:
            rates = self._comm.bcast(self._read(device) if self._comm.rank == 0 else None)
            self._known[device] = rates or self._measure(device)
        return bounds(work, self._known[device], self._scale.nodes)

    def learn(self, workload: Workload, device: Device) -> None:
        """Keep what a run of `calibrate` itself has found, in place of what was known."""
        if isinstance(workload, Calibrate):
            self._keep(workload.rates(), device)

    def _measure(self, device: Device) -> Rates:
        kernel = registry.load("calibrate")
        backend = "host" if device == "cpu" else "gpu"
        if any(self._comm.allgather(kernel.backend(backend).missing(device))):
            return Rates()
        workload = kernel.prepare(backend, None, self._comm, device)
        assert isinstance(workload, Calibrate)
        try:
            for _ in range(_ROUNDS):
                workload.step()
            rates = workload.rates()
        finally:
            workload.close()
        self._keep(rates, device)
        return rates

    def _keep(self, rates: Rates, device: Device) -> None:
        self._known[device] = rates
        if self._comm.rank == 0:
            calibration = Calibration(
                scale=self._scale,
                device=device,
                stack=self._stack,
                machine=self._machine,
                measured=utc_now(),
                rates=rates,
            )
            write_atomic(self._path(device), msgspec.json.format(msgspec.json.encode(calibration)))

    def _read(self, device: Device) -> Rates | None:
        """What an earlier launch has kept; None where nothing is, or nothing that can be read."""
        try:
            return msgspec.json.decode(self._path(device).read_bytes(), type=Calibration).rates
        except (OSError, msgspec.DecodeError):
            return None

    def _path(self, device: Device) -> Path:
        digest = hashlib.sha256(msgspec.json.encode(self._machine, order="sorted")).hexdigest()[:8]
        return self._folder / f"{digest}-{self._stack.key}-{self._scale}-{device}.json"


def _describe(environment: Environment) -> dict[str, Any]:
    """What tells kinds of machines and their software apart; nodes of one kind share a calibration."""
    return {
        "cpu": environment.cpu,
        "memory_gib": environment.memory_bytes >> 30,
        "gpus": environment.gpus,
        "libraries": environment.libraries,
        "mpi": environment.mpi.get("library"),
    }


def _counts(work: Work) -> bool:
    return any((work.flops, work.memory_bytes, work.sent_bytes, work.messages, work.storage_bytes))
