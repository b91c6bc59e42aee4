"""Data parallelism: every rank has the whole network and a part of the batch, and gradients are summed over ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch

from kernels.communication.buckets import lay_out
from kernels.communication.process_group import ProcessGroup
from kernels.data.records import ensure_dataset

T = TypeVar("T")


class GradientSum:
    """The gradients of some float32 parameters in one buffer, ``flat`` [all their elements], summed over the ranks.

    The parameters' ``grad`` are views of the buffer. On CPUs MPI sums it in place, on GPUs NCCL; on one rank nothing is
    sent. Making and closing it are collective.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], comm: Any, device: torch.device) -> None:
        self.flat = lay_out(list(parameters))
        self._comm = comm
        self._group = ProcessGroup(comm, "nccl", device) if device.type == "cuda" and comm.size > 1 else None

    def clear(self) -> None:
        """Zero the gradients; a backward pass adds to them."""
        self.flat.zero_()

    def exchange(self) -> None:
        """Replace every rank's gradients by their sum over the ranks."""
        if self._group:
            self._group.sum(self.flat)
        elif self._comm.size > 1:
            from mpi4py import MPI

            self._comm.Allreduce(MPI.IN_PLACE, self.flat.numpy())

    def close(self) -> None:
        """End the process group, if there is one."""
        if self._group:
            self._group.close()


def some_first(comm: Any, first: bool, action: Callable[[], T]) -> T:
    """What ``action`` returns; ranks that are ``first`` run it before the others, who then find a cache filled."""
    try:
        if first:
            return action()
    finally:
        comm.Barrier()
    return action()


def find_dataset(records: int, shards: int, seed: int, comm: Any) -> Path:
    """The folder of strain records, which rank 0 makes on first use."""
    return some_first(comm, comm.rank == 0, lambda: ensure_dataset(records, shards, seed))
