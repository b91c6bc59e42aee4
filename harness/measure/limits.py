"""The limits of a launch's cases: the machine is calibrated when a case first asks, and the result kept for later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
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
# no further round begins after so long: ranks that share cores need seconds for one
_ROUNDS_S = 3.0
# set in kernels' images: NAME@sha256:DIGEST
BASE = "SCALEMARK_BASE"
_ASK = "`scalemark run calibrate` at this scale does it"


class Calibration(Struct, frozen=True, kw_only=True):
    """A file of ``<results>/calibration``: what was measured, on what, and a remark on what spoils it, if anything."""

    scale: Scale
    device: Device
    stack: Stack
    machine: dict[str, Any]
    measured: str
    rates: Rates
    remark: str = ""


class Limits(Struct, frozen=True):
    """Seconds that a step takes at least, by what limits it, and a sentence on where they come from."""

    seconds: dict[str, float]
    calibration: str


class LaunchLimits:
    """Limits for the cases of one launch. Every method is called on all ranks together.

    A calibration holds for one kind of machine, its software, and one scale: ranks and threads share what they use.
    When ``read_only``, nothing is measured and nothing written: only what ``results`` holds counts. ``tell`` is called
    on rank 0 with what is about to take seconds.
    """

    def __init__(
        self,
        results: Path,
        comm: Any,
        scale: Scale,
        stack: Stack,
        environment: Environment | None,
        read_only: bool = False,
        tell: Callable[[str], None] = lambda doing: None,
    ) -> None:
        self._folder = results / "calibration"
        self._comm = comm
        self._scale = scale
        self._stack = stack
        self._machine = _describe(environment) if environment else {}
        self._tell = tell
        self._read_only = read_only
        self._known: dict[Device, Calibration | str] = {}

    def find(self, work: Work, device: Device) -> Limits:
        """The limits of ``work``; see `kernels.calibration.limits.bounds`.

        Nothing is measured for work that counts nothing, or where the software to measure with is missing.
        """
        if not self._comm.bcast(_counts(work)):
            return Limits({}, "none: the kernel counts no work")
        if device not in self._known:
            kept = self._comm.bcast(self._read(device) if self._comm.rank == 0 else None)
            self._known[device] = kept or (f"not calibrated: {_ASK}" if self._read_only else self._measure(device))
        known = self._known[device]
        if isinstance(known, str):
            return Limits({}, known)
        told = f"calibrated {known.measured}" + (f"; {known.remark}" if known.remark else "")
        return Limits(bounds(work, known.rates, self._scale.nodes), told)

    def learn(self, workload: Workload, device: Device) -> None:
        """Keep what a run of `calibrate` itself has found, in place of what was known."""
        if isinstance(workload, Calibrate) and not self._read_only:
            self._keep(workload, device)

    def _measure(self, device: Device) -> Calibration | str:
        kernel = registry.load("calibrate")
        backend = "host" if device == "cpu" else "gpu"
        reasons = filter(None, self._comm.allgather(kernel.backend(backend).missing(device)))
        if reason := next(reasons, None):
            return f"not calibrated: {reason}"
        if self._comm.rank == 0:
            self._tell(f"first launch of this scale here: calibrating for some {_ROUNDS_S:.0f} s, once compiled")
        workload = kernel.prepare(backend, None, self._comm, device)
        assert isinstance(workload, Calibrate)
        started_s = monotonic()
        try:
            for _ in range(_ROUNDS):
                workload.step()
                if self._comm.bcast(monotonic() - started_s > _ROUNDS_S):
                    break
            return self._keep(workload, device)
        finally:
            workload.close()

    def _keep(self, workload: Calibrate, device: Device) -> Calibration:
        calibration = Calibration(
            scale=self._scale,
            device=device,
            stack=self._stack,
            machine=self._machine,
            measured=utc_now(),
            rates=workload.rates(),
            remark=workload.remark(),
        )
        self._known[device] = calibration
        if self._comm.rank == 0:
            if calibration.remark:
                self._tell(f"calibrated, but {calibration.remark}")
            write_atomic(self._path(device), msgspec.json.format(msgspec.json.encode(calibration)))
        return calibration

    def _read(self, device: Device) -> Calibration | None:
        """What an earlier launch has kept; None where nothing is, or, which is told, nothing that can be read."""
        path = self._path(device)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Calibration)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._tell(f"{path}: found {error}; right would be a calibration: it counts as none")
            return None

    def _path(self, device: Device) -> Path:
        digest = hashlib.sha256(msgspec.json.encode(self._machine, order="sorted")).hexdigest()[:8]
        # what another version of the kernel found is another rate
        version = registry.load("calibrate").version
        return self._folder / f"{digest}-{self._software()}-{self._scale}-{device}-v{version}.json"

    def _software(self) -> str:
        """What of the stack rates depend on: of a kernel's image the base, which images share, and not the kernel."""
        base = os.environ.get(BASE, "")
        return base.rpartition(":")[2][:12] if base else self._stack.key


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
