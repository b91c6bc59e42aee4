"""Kernel ``mtl_step``: one data-parallel training step of the multi-task network on strain records.

Dropout, forward, weighted loss of eight heads, backward, sum of the gradients over the ranks, Adam. The batch is
resident: how it gets there is the kernel ``input_pipeline``. Batch normalisation uses the statistics of each rank's
part of the batch, as data-parallel training does unless told to synchronise them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from kernels.api import Backend, Kernel, Parameters
from kernels.communication.process_group import cuda_missing
from kernels.declaring import check_at_most, check_shares, cpu_only, growing, imported


class MtlStepParameters(Parameters, frozen=True):
    """The batch, the data set it is the beginning of, the network and its optimiser."""

    batch: Annotated[int, Meta(ge=1, description="samples of a step, over all ranks")] = 256
    records: Annotated[int, Meta(ge=1, description="records of the data set that has them")] = 4096
    shards: Annotated[int, Meta(ge=1, description="files that hold the data set")] = 16
    width: Annotated[int, Meta(ge=1, description="channels of the network's first convolution")] = 64
    learning_rate: Annotated[float, Meta(gt=0, description="Adam's step size")] = 1e-3
    seed: Annotated[int, Meta(ge=0, description="seed of data set, weights and dropout")] = 0


def _eager_missing(device: str) -> str | None:
    return cuda_missing() if device == "cuda" else None


def _compile_missing(device: str) -> str | None:
    if device == "cuda":
        triton = importlib.util.find_spec("triton")
        return cuda_missing() or (None if triton else "needs triton, which a torch built for CUDA brings along")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"needs a C++ compiler, and {compiler} is not there: install g++ or name another in CXX"
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        return f"needs Python's headers, and {headers} has no Python.h: install python3-dev"
    return None


def _check(parameters: MtlStepParameters, ranks: int) -> None:
    check_shares("mtl_step", "batch", parameters, ranks)
    for part in ("batch", "shards"):
        check_at_most("mtl_step", part, "records", parameters)


_WORKLOADS = "kernels.training.step"

KERNEL = Kernel(
    name="mtl_step",
    version=1,
    summary="a data-parallel training step of the multi-task network on strain records",
    parameters=MtlStepParameters,
    backends={
        "eager": Backend("torch, operation by operation", imported(f"{_WORKLOADS}:EagerMtlStep"), _eager_missing),
        "fused": Backend(
            "torch, with normalisation, ReLU and pool in one compiled loop",
            imported(f"{_WORKLOADS}:FusedMtlStep"),
            cpu_only("its fused loops are compiled for the CPU"),
        ),
        "compile": Backend(
            "torch.compile, forward and backward fused", imported(f"{_WORKLOADS}:CompiledMtlStep"), _compile_missing
        ),
    },
    reference="eager",
    scaling="strong: the batch is divided over the ranks; weak: it grows with them",
    grow=growing("batch"),
    check=_check,
)
