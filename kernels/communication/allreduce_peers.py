"""Allreduce by others, called from Python: mpi4py, torch.distributed over Gloo and NCCL, Horovod."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.api import Figure
from kernels.communication.allreduce import Allreduce, AllreduceParameters
from kernels.communication.horovod_group import HorovodGroup
from kernels.communication.process_group import ProcessGroup, Transport, local_device


class Mpi4pyAllreduce(Allreduce):
    """MPI_Allreduce on NumPy buffers, as a Python program calls it."""

    def step(self) -> None:
        """One call."""
        self.comm.Allreduce(self.sent, self.received)


class TorchAllreduce(Allreduce):
    """torch.distributed's all_reduce; subclasses name the transport."""

    transport: Transport

    def __init__(self, parameters: AllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import torch

        self._place = local_device(comm, device)
        self._input = torch.from_numpy(self.sent).to(self._place)
        self._sum = torch.from_numpy(self.received).to(self._place)
        self._group = ProcessGroup(comm, self.transport, self._place)

    def step(self) -> None:
        """Copy the input, then sum in place."""
        self._sum.copy_(self._input)
        self._group.sum(self._sum)

    def answer(self) -> np.ndarray:
        """The sum that the last step left on this rank, [elements]."""
        return self._sum.cpu().numpy()

    def close(self) -> None:
        """End the process group."""
        self._group.close()


class GlooAllreduce(TorchAllreduce):
    """Gloo, over TCP between the ranks' memories."""

    transport = "gloo"


class NcclAllreduce(TorchAllreduce):
    """NCCL, between the ranks' GPUs."""

    transport = "nccl"

    def synchronize(self) -> None:
        """Wait for this rank's GPU."""
        import torch

        torch.cuda.synchronize(self._place)


class HorovodAllreduce(Allreduce):
    """Horovod's allreduce, over MPI."""

    def __init__(self, parameters: AllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import torch

        self._input, self._sum = torch.from_numpy(self.sent), torch.from_numpy(self.received)
        self._group = HorovodGroup(comm)

    def step(self) -> None:
        """Copy the input, then sum in place."""
        self._sum.copy_(self._input)
        horovod = self._group.horovod
        horovod.allreduce_(self._sum, name="message", op=horovod.Sum)

    def figures(self, step_s: float) -> list[Figure]:
        """Also the cycle that Horovod gathers tensors for."""
        return [*super().figures(step_s), self._group.figure()]

    def close(self) -> None:
        """End Horovod's thread."""
        self._group.close()
