"""Kernel ``horovod_resnet``: data-parallel training of a small residual network, as the talk's Horovod example scales.

The talk trains ResNet-50 on up to 128 GPUs; its table is reference data in ``results/reference``. Here it is ResNet-8
on digits, for which CPUs suffice, and Horovod stands beside MPI and torch's own exchange.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from msgspec import Meta

from kernels.api import Backend, Kernel, Parameters
from kernels.communication.allreduce import horovod_missing, host_missing
from kernels.declaring import check_shares, growing, imported, needs


class HorovodResnetParameters(Parameters, frozen=True):
    """The batch, the images, the network and its optimiser."""

    batch: Annotated[int, Meta(ge=1, description="images of a step, over all ranks")] = 32
    image: Annotated[int, Meta(ge=4, description="pixels along an image's side")] = 32
    width: Annotated[int, Meta(ge=1, description="channels of the first convolution")] = 16
    learning_rate: Annotated[float, Meta(gt=0, description="step size of gradient descent")] = 0.01
    seed: Annotated[int, Meta(ge=0, description="seed of the weights")] = 0


def _missing(device: str) -> str | None:
    return host_missing(device) or needs("sklearn", extra="studies")(device)


def _horovod_missing(device: str) -> str | None:
    return _missing(device) or horovod_missing(device)


KERNEL = Kernel(
    name="horovod_resnet",
    version=1,
    summary="a data-parallel training step of a small residual network",
    parameters=HorovodResnetParameters,
    backends={
        "mpi": Backend(
            "gradients are summed by MPI after backward", imported("kernels.training.residual:ResnetStep"), _missing
        ),
        "torch-data": Backend(
            "torch's DistributedDataParallel over Gloo", imported("kernels.training.residual:TorchResnetStep"), _missing
        ),
        "horovod": Backend(
            "Horovod's DistributedOptimizer over MPI",
            imported("kernels.training.residual:HorovodResnetStep"),
            _horovod_missing,
            threads_call_mpi=True,
        ),
    },
    reference="mpi",
    scaling="strong: the batch is divided over the ranks; weak: it grows with them, as in the talk",
    grow=growing("batch"),
    check=partial(check_shares, "horovod_resnet", "batch"),
)
