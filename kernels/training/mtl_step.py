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
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from kernels.api import Backend, InputError, Kernel, Parameters
from kernels.communication.process_group import cuda_missing

if TYPE_CHECKING:
    from kernels.training.step import CompiledMtlStep, EagerMtlStep


class MtlStepParameters(Parameters, frozen=True):
    """The batch, the data set it is the beginning of, the network and its optimiser."""

    batch: Annotated[int, Meta(ge=1, description="samples of a step, over all ranks")] = 256
    records: Annotated[int, Meta(ge=1, description="records of the data set that has them")] = 16384
    shards: Annotated[int, Meta(ge=1, description="files that hold the data set")] = 16
    width: Annotated[int, Meta(ge=1, description="channels of the network's first convolution")] = 64
    learning_rate: Annotated[float, Meta(gt=0, description="Adam's step size")] = 1e-3
    seed: Annotated[int, Meta(ge=0, description="seed of data set, weights and dropout")] = 0


def _eager(parameters: MtlStepParameters, comm: Any, device: str) -> EagerMtlStep:
    from kernels.training.step import EagerMtlStep

    return EagerMtlStep(parameters, comm, device)


def _compiled(parameters: MtlStepParameters, comm: Any, device: str) -> CompiledMtlStep:
    from kernels.training.step import CompiledMtlStep

    return CompiledMtlStep(parameters, comm, device)


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


def _grow(parameters: MtlStepParameters, ranks: int) -> MtlStepParameters:
    return msgspec.structs.replace(parameters, batch=parameters.batch * ranks)


def _check(parameters: MtlStepParameters, ranks: int) -> None:
    place = "kernel mtl_step"
    if parameters.batch < ranks:
        raise InputError(f"{place}: batch: found {parameters.batch} for {ranks} ranks; every rank wants at least one")
    if parameters.batch > parameters.records:
        raise InputError(f"{place}: batch: found {parameters.batch} of {parameters.records} records; at most as many")
    if parameters.shards > parameters.records:
        raise InputError(f"{place}: shards: found {parameters.shards} of {parameters.records} records; at most as many")


KERNEL = Kernel(
    name="mtl_step",
    version=1,
    summary="a data-parallel training step of the multi-task network on strain records",
    parameters=MtlStepParameters,
    backends={
        "eager": Backend("torch, operation by operation", _eager, _eager_missing),
        "compile": Backend("torch.compile, forward and backward fused", _compiled, _compile_missing),
    },
    reference="eager",
    scaling="strong: the batch is divided over the ranks; weak: it grows with them",
    grow=_grow,
    check=_check,
)
