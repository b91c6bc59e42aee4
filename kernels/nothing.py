"""A kernel that does nothing: what it costs is what the harness costs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from kernels.api import Backend, Check, Kernel, Parameters, Work, Workload


class NothingParameters(Parameters, frozen=True):
    """``index`` only tells cases apart."""

    index: Annotated[int, Meta(ge=0, description="tells cases apart")] = 0


class Nothing(Workload):
    """The empty step."""

    def step(self) -> None:
        pass

    def verify(self) -> Check:
        return Check(error=0.0, tolerance=0.0, reference="nothing to compare")

    def work(self) -> Work:
        return Work(items=1, item="step")


KERNEL = Kernel(
    name="nothing",
    version=1,
    summary="an empty step: the cost of the harness itself",
    parameters=NothingParameters,
    backends={"python": Backend("an empty method", Nothing)},
    reference="python",
    scaling="does not scale",
)
