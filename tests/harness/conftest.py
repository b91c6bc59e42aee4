"""Records with known times, for everything that reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.case import Case, Scale, Sweep, SweepCase
from harness.store.record import LaunchInfo, Record, Stack
from kernels.api import Check, Work


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """A case of an invented kernel; ``problem`` is the last part of its id."""

    def make(ranks: int = 1, backend: str = "plain", problem: str = "00000000", **settings: Any) -> Case:
        scale = settings.pop("scale", Scale(ranks_per_node=ranks))
        settings = {"kernel": "invented", "kernel_version": 1, "parameters": {"size_bytes": 1024, "seed": 0}} | settings
        return Case(backend=backend, scale=scale, id=f"{settings['kernel']}.{backend}.{scale}.{problem}", **settings)

    return make


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    """A finished record of a case with a right answer and one item a step, unless told otherwise."""

    def make(case: Case, samples_s: list[float] | None = None, repeat: int = 0, **settings: Any) -> Record:
        status = settings.get("status", "ok")
        done = {
            "samples_s": samples_s or [1.0],
            "check": Check(error=0.0, tolerance=1e-9, reference="itself"),
            "work": Work(items=1.0, item="step"),
        }
        launch = LaunchInfo(id="first", repeat=repeat, launcher="none")
        run_id = f"{repeat:03d}-first"
        common = {"run_id": run_id, "sweep": "trial", "stack": Stack(), "launch": launch, "status": status}
        return Record(case=case, **(common | (done if status == "ok" else {}) | settings))

    return make


@pytest.fixture(scope="session")
def make_sweep() -> Callable[..., Sweep]:
    """A sweep of cases; those of one kernel, backend, threads and problem are a series."""

    def make(cases: list[Case], **settings: Any) -> Sweep:
        items = [
            SweepCase(case, f"{case.kernel}.{case.backend}.t{case.scale.threads}.{case.id.rpartition('.')[2]}")
            for case in cases
        ]
        return Sweep(cases=items, **{"name": "trial", "mode": "strong", "repeats": 1, "budget_s": 1.0, **settings})

    return make
