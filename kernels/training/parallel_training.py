"""Kernel ``parallel_training``: one training step of one network, divided over the ranks by different strategies.

The network is residual blocks on scikit-learn's digits; the update is plain gradient descent, so that a strategy's
gradient is all that tells it from one process. The strategies are those of the thesis, section 3.3.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from kernels.api import Backend, Kernel, Parameters
from kernels.communication.allreduce import host_missing
from kernels.declaring import check_at_most, check_shares, growing, imported, needs


class ParallelTrainingParameters(Parameters, frozen=True):
    """The network, the batch, and how pipelines cut it."""

    batch: Annotated[int, Meta(ge=1, description="samples of a step, over all ranks")] = 256
    width: Annotated[int, Meta(ge=1, description="units of a layer")] = 512
    blocks: Annotated[int, Meta(ge=1, description="residual blocks of two layers")] = 8
    micro_batches: Annotated[int, Meta(ge=1, description="micro-batches that a pipeline cuts the batch into")] = 8
    stages: Annotated[int, Meta(ge=1, description="pipeline stages of the hybrid; the ranks left are replicas")] = 2
    recompute: Annotated[bool, Meta(description="pipelines keep inputs alone and go forward twice")] = False
    learning_rate: Annotated[float, Meta(gt=0, description="step size of gradient descent")] = 0.05
    accuracy_steps: Annotated[
        int, Meta(ge=0, description="steps from the start, untimed, before accuracy is told; 0: not")
    ] = 0
    seed: Annotated[int, Meta(ge=0, description="seed of the weights")] = 0


def _missing(device: str) -> str | None:
    return host_missing(device) or needs("sklearn", extra="studies")(device)


def _check(parameters: ParallelTrainingParameters, ranks: int) -> None:
    check_at_most("parallel_training", "micro_batches", "batch", parameters)
    for field in ("batch", "width"):
        check_shares("parallel_training", field, parameters, ranks)


# torch's strategies take the same steps as `data`, so that accuracy is the same
_NO_ACCURACY = {"accuracy_steps": (0,)}


def _backend(summary: str, module: str, name: str, least_ranks: int = 1) -> Backend:
    takes = _NO_ACCURACY if module == "peers" else {}
    workload = imported(f"kernels.training.parallel.{module}:{name}")
    return Backend(summary, workload, _missing, takes=takes, least_ranks=least_ranks)


KERNEL = Kernel(
    name="parallel_training",
    version=2,
    summary="a training step of one network, divided over the ranks by data, layers, units or both",
    parameters=ParallelTrainingParameters,
    backends={
        "data": _backend("the batch is divided, gradients are summed by MPI", "grid", "DataParallel"),
        "tensor": _backend("every block is divided, activations are summed by MPI", "tensor", "TensorParallel"),
        "gpipe": _backend("a pipeline: all forward, then all backward", "grid", "GPipe"),
        "1f1b": _backend("a pipeline: one forward, one backward, then one update", "grid", "FlushedPipeline"),
        "pipedream": _backend("a pipeline with an update each micro-batch, stashed weights", "pipedream", "PipeDream"),
        "local": _backend("a pipeline without a way back: each stage has a loss of its own", "local", "Local"),
        "hybrid": _backend("a grid of pipeline stages and data-parallel replicas", "grid", "Hybrid"),
        "torch-data": _backend("torch's DistributedDataParallel over Gloo", "peers", "TorchData"),
        "torch-gpipe": _backend("torch's ScheduleGPipe over Gloo", "peers", "TorchPipeline", least_ranks=2),
        "torch-1f1b": _backend("torch's Schedule1F1B over Gloo", "peers", "TorchFlushedPipeline", least_ranks=2),
    },
    reference="data",
    scaling="strong: the batch or the network is divided over the ranks; weak: the batch grows with them",
    grow=growing("batch"),
    check=_check,
)
