"""torch's own ways to divide a training step: DistributedDataParallel and its pipelines, over Gloo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kernels.api import InputError, Work, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.communication.process_group import ProcessGroup
from kernels.training.parallel.grid import part_of
from kernels.training.parallel.network import batch_loss
from kernels.training.parallel.strategy import Strategy, own_gradients

if TYPE_CHECKING:
    from kernels.training.parallel_training import ParallelTrainingParameters


class _TorchStrategy(Strategy):
    """What holds torch's process group, of which there is one at a time."""

    def __init__(self, parameters: ParallelTrainingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._group = ProcessGroup(comm, "gloo")

    def close(self) -> None:
        """End the process group."""
        self._group.close()


class TorchData(_TorchStrategy):
    """DistributedDataParallel: buckets of gradients are summed while backward goes on."""

    def __init__(self, parameters: ParallelTrainingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._share = divide(parameters.batch, comm.size, comm.rank)
        self._module = torch.nn.parallel.DistributedDataParallel(self.layers)

    def step(self) -> None:
        """Forward, backward with the exchange in it, update."""
        part = slice(self._share.start, self._share.stop)
        self._module.zero_grad()
        # DistributedDataParallel takes the mean of what the ranks have, and the shares of the loss want the sum
        loss = batch_loss(self._module(self.inputs[part]), self.labels[part], self.parameters.batch) * self.comm.size
        loss.backward()
        self.descend(self.layers)

    def own_weights(self) -> dict[str, Tensor]:
        """All."""
        return dict(self.layers.named_parameters())

    def own_gradients(self) -> dict[str, Tensor]:
        """Theirs."""
        return own_gradients(self.layers)

    def work(self) -> Work:
        """A part of the batch, and a sum of all gradients."""
        return self.count_work(len(self._share), *optimal_traffic(self.parameter_bytes(), self.comm.size))


class TorchPipeline(_TorchStrategy):
    """torch.distributed.pipelining with the schedule of that name."""

    schedule = "ScheduleGPipe"

    def __init__(self, parameters: ParallelTrainingParameters, comm: Any, device: str) -> None:
        _check_pipeline(parameters, comm.size)
        super().__init__(parameters, comm, device)
        from torch.distributed import pipelining

        part = part_of(parameters.blocks, comm.size, comm.rank)
        self._module = self.layers[part.start : part.stop]
        stage = pipelining.PipelineStage(self._module, comm.rank, comm.size, torch.device("cpu"))
        self._pipeline = getattr(pipelining, self.schedule)(
            stage,
            parameters.micro_batches,
            loss_fn=lambda outputs, labels: batch_loss(outputs, labels, parameters.batch),
            scale_grads=False,
        )

    def step(self) -> None:
        """All micro-batches through all stages and back, then the update."""
        self._module.zero_grad()
        if self.comm.rank == 0:
            self._pipeline.step(self.inputs)
        elif self.comm.rank == self.comm.size - 1:
            self._pipeline.step(target=self.labels)
        else:
            self._pipeline.step()
        self.descend(self._module)

    def own_weights(self) -> dict[str, Tensor]:
        """Those of this rank's stage."""
        return dict(self._module.named_parameters())

    def own_gradients(self) -> dict[str, Tensor]:
        """Theirs."""
        return own_gradients(self._module)

    def sent_bytes(self) -> float:
        """Activations to the stage after, their gradients to the one before."""
        neighbours = (self.comm.rank > 0) + (self.comm.rank < self.comm.size - 1)
        return 4 * self.parameters.batch * self.parameters.width * neighbours

    def work(self) -> Work:
        """As our own pipelines count it."""
        parameters, stages = self.parameters, self.comm.size
        sent_bytes = min(2, stages - 1) * 4 * parameters.batch * parameters.width
        return self.count_work(parameters.batch, sent_bytes, 2 * (parameters.micro_batches + stages - 2))


def _check_pipeline(parameters: ParallelTrainingParameters, ranks: int) -> None:
    place = "kernel parallel_training: torch's pipelines"
    most = min(parameters.blocks, parameters.micro_batches)
    if ranks > most:
        raise InputError(
            f"{place}: found {ranks} ranks; right would be at most {most}, the blocks and the micro-batches"
        )
    if parameters.batch % parameters.micro_batches:
        found = f"a batch of {parameters.batch} in {parameters.micro_batches} micro-batches"
        raise InputError(f"{place}: found {found}; right would be micro-batches of one size")


class TorchFlushedPipeline(TorchPipeline):
    """One forward, one backward."""

    schedule = "Schedule1F1B"
