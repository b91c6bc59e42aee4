"""A kernel that goes wrong as it is told to: what the harness must survive."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Annotated, Any, Literal

from msgspec import Meta

from kernels.api import Backend, Check, InputError, Kernel, Parameters, Work, Workload, tell

MEMORY_BYTES = 1 << 60
# more than a job of the tests is allowed, less than a machine has
HOARD_BYTES = 1 << 31


class FaultyParameters(Parameters, frozen=True):
    fault: Literal[
        "none", "raise", "input", "exit", "segfault", "kill", "hang", "chatter", "memory", "hoard", "wrong"
    ] = "none"
    rank: Annotated[int, Meta(ge=0, description="the rank that goes wrong")] = 0
    step_s: Annotated[float, Meta(ge=0)] = 0.001
    index: int = 0
    says: str = ""


class Faulty(Workload):
    def __init__(self, parameters: FaultyParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        if parameters.says:
            tell(parameters.says)

    def step(self) -> None:
        time.sleep(self.parameters.step_s)
        if self.comm.rank == self.parameters.rank:
            self._go_wrong(self.parameters.fault)

    def _go_wrong(self, fault: str) -> None:
        if fault == "raise":
            raise RuntimeError("the step went wrong")
        if fault == "input":
            raise InputError("data.bin: found nothing; right would be something")
        if fault == "exit":
            os._exit(3)
        if fault == "segfault":
            ctypes.string_at(0)
        if fault == "kill":
            os.kill(os.getpid(), 9)
        if fault == "hang":
            time.sleep(3600)
        while fault == "chatter":
            tell("still at it")
            time.sleep(0.1)
        if fault == "memory":
            bytearray(MEMORY_BYTES)
        if fault == "hoard":
            self.held = [os.urandom(1 << 24) for _ in range(HOARD_BYTES >> 24)]

    def verify(self) -> Check:
        error = 1.0 if self.parameters.fault == "wrong" else 0.0
        return Check(error=error, tolerance=0.5, reference="what it was told")

    def work(self) -> Work:
        return Work(items=self.comm.size, item="step")


def _check(parameters: FaultyParameters, ranks: int) -> None:
    if parameters.rank >= ranks:
        raise InputError(f"parameter rank: found {parameters.rank}, there are {ranks} ranks")


KERNEL = Kernel(
    name="faulty",
    version=1,
    summary="goes wrong as told",
    parameters=FaultyParameters,
    backends={
        "python": Backend("in Python", Faulty),
        "absent": Backend("never there", Faulty, lambda device: "needs a machine that nobody has"),
    },
    reference="python",
    scaling="sleeps as long on any number of ranks",
    check=_check,
)
