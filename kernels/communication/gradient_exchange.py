"""Kernel ``gradient_exchange``: backward passes whose gradients are clipped and averaged over the ranks, in buckets.

As soon as the backward pass has filled a bucket its sum over the ranks may start, while the pass goes on. What is left
to wait for is exposed; how one clips decides how much that is:

- ``after``: the averaged gradient g becomes g min(1, 1 / ||g||);
- ``before``: each rank's own gradient does, so that nothing can be sent until the backward pass has ended;
- ``bucket``: each of a rank's B buckets g_b becomes g_b min(1, 1 / (√B ||g_b||)) when it is full, which bounds the
  norm of the average by 1 as well (MLPerf Training v1.1, Samsung's submission of BERT).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from kernels.api import Backend, InputError, Kernel, Parameters
from kernels.communication.allreduce import host_missing, nccl_missing
from kernels.declaring import growing, imported


class GradientExchangeParameters(Parameters, frozen=True):
    """A network of equal layers, its batch, and how its gradients are exchanged."""

    layers: Annotated[int, Meta(ge=1, description="fully connected layers of the network")] = 8
    width: Annotated[int, Meta(ge=1, description="inputs and outputs of each layer")] = 1024
    batch: Annotated[int, Meta(ge=1, description="samples of a step, over all ranks")] = 256
    bucket_bytes: Annotated[
        int, Meta(ge=4, description="gradients that are summed by one message, at least a layer's")
    ] = 4 << 20
    clipping: Annotated[
        Literal["none", "after", "before", "bucket"], Meta(description="what is clipped to norm 1, and when")
    ] = "none"
    overlap: Annotated[bool, Meta(description="whether sums start while the backward pass still runs")] = True
    seed: Annotated[int, Meta(ge=0, description="seed of weights and samples")] = 0


_WORKLOADS = "kernels.communication.gradient_workloads"


def _check(parameters: GradientExchangeParameters, ranks: int) -> None:
    if parameters.batch % ranks:
        right = -(-parameters.batch // ranks) * ranks
        raise InputError(
            f"kernel gradient_exchange: parameter batch: {parameters.batch} samples are no equal shares of {ranks} "
            f"ranks; right would be {right}"
        )


KERNEL = Kernel(
    name="gradient_exchange",
    version=1,
    summary="a backward pass whose gradients are clipped and averaged over the ranks in buckets",
    parameters=GradientExchangeParameters,
    backends={
        "mpi": Backend(
            "MPI_Iallreduce, which moves on when the main thread asks",
            imported(f"{_WORKLOADS}:MpiExchange"),
            host_missing,
        ),
        "gloo": Backend(
            "torch.distributed over Gloo, whose threads send", imported(f"{_WORKLOADS}:GlooExchange"), host_missing
        ),
        "nccl": Backend(
            "torch.distributed over NCCL, between GPUs", imported(f"{_WORKLOADS}:NcclExchange"), nccl_missing
        ),
    },
    reference="mpi",
    scaling="strong: the batch is divided over the ranks; weak: it grows with them",
    grow=growing("batch"),
    check=_check,
)
