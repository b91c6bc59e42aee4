"""Tensor parallelism: every block is split over the ranks and its outputs summed (Megatron-LM, arXiv 1909.08053)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kernels.api import Work, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.training.parallel.network import Block, batch_loss
from kernels.training.parallel.strategy import Strategy, own_gradients, saved_bytes

if TYPE_CHECKING:
    from kernels.training.parallel_training import ParallelTrainingParameters

# along which axis the ranks' parts of a block's parameter follow one another; a parameter not named is whole everywhere
_SPLIT_AXES = {"expand.weight": 0, "expand.bias": 0, "contract.weight": 1}


class TensorParallel(Strategy):
    """Every rank has the whole batch and a part of each block."""

    split_axes = _SPLIT_AXES

    def __init__(self, parameters: ParallelTrainingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        layers = (SplitBlock(layer, comm) if isinstance(layer, Block) else layer for layer in self.layers)
        self._module = nn.Sequential(*layers)

    def step(self) -> None:
        """Forward and backward with a sum over the ranks in each block and direction; then the update."""
        self._module.zero_grad()
        batch_loss(self._module(self.inputs), self.labels, self.parameters.batch).backward()
        self.descend(self._module)

    def own_weights(self) -> dict[str, Tensor]:
        """This rank's rows and columns of every block, and the layers that every rank has."""
        return dict(self._module.named_parameters())

    def own_gradients(self) -> dict[str, Tensor]:
        """Theirs."""
        return own_gradients(self._module)

    def peak_bytes(self) -> int:
        """With the activations of the whole batch, where the ranks have only a part of the inner ones."""
        return 2 * self.parameter_bytes() + saved_bytes(self._module, self.inputs)

    def work(self) -> Work:
        """Two sums of [batch, width] a block over the ranks."""
        parameters = self.parameters
        sent_bytes, messages = optimal_traffic(4 * parameters.batch * parameters.width, self.comm.size)
        sums = 2 * parameters.blocks
        return self.count_work(parameters.batch, sums * sent_bytes, sums * messages)


class SplitBlock(nn.Module):
    """This rank's part of a block: some rows of W₁ and the same columns of W₂ (section 3, figure 3a).

    GELU works on every column alone, so one sum over the ranks forward and one backward is all that is exchanged.
    """

    def __init__(self, block: Block, comm: Any) -> None:
        super().__init__()
        share = divide(block.expand.out_features, comm.size, comm.rank)
        rows = slice(share.start, share.stop)
        self.expand = nn.Linear(block.expand.in_features, len(share))
        self.contract = nn.Linear(len(share), block.contract.out_features)
        self.expand.weight.data.copy_(block.expand.weight.data[rows])
        self.expand.bias.data.copy_(block.expand.bias.data[rows])
        self.contract.weight.data.copy_(block.contract.weight.data[:, rows])
        self.contract.bias.data.copy_(block.contract.bias.data)
        self._comm = comm

    def forward(self, values: Tensor) -> Tensor:
        """The whole block's output, on every rank."""
        inner = functional.gelu(self.expand(_SummedBackward.apply(values, self._comm)))
        part = functional.linear(inner, self.contract.weight)
        return values + _SummedForward.apply(part, self._comm) + self.contract.bias


class _SummedBackward(torch.autograd.Function):
    """Nothing on the way forward, a sum over the ranks on the way back: Megatron's f."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, comm: Any) -> Tensor:
        ctx.comm = comm
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _sum(gradients[0], ctx.comm), None


class _SummedForward(torch.autograd.Function):
    """A sum over the ranks on the way forward, nothing on the way back: Megatron's g."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, comm: Any) -> Tensor:
        return _sum(values, comm)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _sum(values: Tensor, comm: Any) -> Tensor:
    from mpi4py import MPI

    total = values.contiguous().clone()
    if comm.size > 1:
        comm.Allreduce(MPI.IN_PLACE, total.numpy())
    return total
