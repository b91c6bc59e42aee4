"""Training a network to a loss, data-parallel over ranks, and what is left behind of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kernels.api import divide
from kernels.training.data_parallel import GradientSum
from kernels.training.identification.data import Parts, Samples
from kernels.training.identification.quality import loss_by_label
from kernels.training.identification.schedule import exponential_decay_sine
from kernels.training.network import HEADS, weighted_loss

if TYPE_CHECKING:
    from kernels.training.material_identification import MaterialIdentificationParameters

# samples of a forward pass that needs no gradients
_CHUNK = 512


class History:
    """What an epoch left: the validation loss, and seconds since the start."""

    def __init__(self) -> None:
        self.validation: list[float] = []
        self.seconds: list[float] = []

    def add(self, validation: float, seconds: float) -> None:
        """After an epoch."""
        self.validation.append(validation)
        self.seconds.append(seconds)

    def seconds_to(self, loss: float) -> float:
        """Until the validation loss was first that low; infinite if it never was."""
        reached = (second for second, found in zip(self.seconds, self.validation, strict=True) if found <= loss)
        return next(reached, math.inf)


class Trainer:
    """One network, its optimiser and its place among the ranks; the same weights on every rank at every time."""

    def __init__(self, network: nn.Module, parameters: MaterialIdentificationParameters, comm: Any) -> None:
        self.network, self.parameters, self.comm = network, parameters, comm
        self.weights = [weight for name, weight in network.named_parameters() if name != "alphas"]
        self.optimizer = torch.optim.Adam(self.weights, parameters.learning_rate, fused=True)
        self.gradients = GradientSum(self.weights, comm, torch.device("cpu"))
        self.loss_weights = torch.ones(len(HEADS))
        self.orders = torch.Generator().manual_seed(parameters.seed)
        self.history = History()
        # in all, as far as is known by now
        self.epochs = parameters.epochs

    def train(self, parts: Parts) -> None:
        """Until the validation loss is the target's or the last epoch is over; leaves the `history`.

        Where seconds are given, the last epoch is the last that is over by then, if all take as long as those so far.
        """
        start_s = time.perf_counter()
        epoch_steps = max(1, len(parts.training.targets) // self.parameters.batch)
        epoch = 0
        while epoch < self.epochs:
            for index, batch in enumerate(self.batches(len(parts.training.targets))):
                self.set_rate(epoch * epoch_steps + index, epoch_steps)
                self.update(parts.training, batch)
            found = float(loss_by_label(parts.errors(self.predict(parts.validation), parts.validation)).sum())
            spent_s = self.slowest(time.perf_counter() - start_s)
            self.history.add(found, spent_s)
            if found <= self.parameters.target_loss:
                break
            epoch += 1
            if self.parameters.train_s:
                affordable = int(epoch * self.parameters.train_s / spent_s)
                self.epochs = max(epoch, min(affordable, self.parameters.epochs))

    def batches(self, count: int) -> Iterator[Tensor]:
        """The whole batches of an epoch in an order that all ranks draw alike; the last, partial one is left out."""
        batch = min(self.parameters.batch, count)
        yield from torch.randperm(count, generator=self.orders)[: count // batch * batch].view(-1, batch)

    def set_rate(self, step: int, epoch_steps: int) -> None:
        """The learning rate of that step."""
        steps = self.epochs * epoch_steps
        for group in self.optimizer.param_groups:
            group["lr"] = exponential_decay_sine(self.parameters.learning_rate, step, steps, epoch_steps)

    def update(self, samples: Samples, batch: Tensor) -> None:
        """One step of the weights."""
        self.compute_gradients(samples, batch)
        self.optimizer.step()

    def compute_gradients(self, samples: Samples, batch: Tensor) -> None:
        """Leave the gradient of the batch's loss in ``gradients``."""
        self.network.train()
        self.gradients.clear()
        self.loss(self.network, samples, batch).backward()
        self.gradients.exchange()

    def loss(self, network: nn.Module, samples: Samples, batch: Tensor) -> Tensor:
        """This rank's part of the batch's loss, in the precision of the network."""
        share = divide(len(batch), self.comm.size, self.comm.rank)
        mine = batch[share.start : share.stop]
        precision = next(network.parameters()).dtype
        records, targets = samples.records[mine].to(precision), samples.targets[mine].to(precision)
        return weighted_loss(network(records), targets, self.loss_weights.to(precision), len(batch))

    def predict(self, samples: Samples) -> NDArray[np.float32]:
        """Outputs [N, 8] for all samples, each rank its share; the ranks' running statistics are averaged first."""
        self.average_statistics()
        self.network.eval()
        share = divide(len(samples.targets), self.comm.size, self.comm.rank)
        with torch.no_grad():
            parts = [self.network(part) for part in samples.records[share.start : share.stop].split(_CHUNK)]
        mine = torch.cat(parts).numpy() if parts else np.empty((0, len(HEADS)), np.float32)
        return np.concatenate(self.comm.allgather(mine))

    def average_statistics(self) -> None:
        """Every rank's batch normalisation has seen its part of the batches; from here on all have seen all."""
        if self.comm.size > 1:
            for buffer in self.network.buffers():
                if buffer.is_floating_point():
                    total = self.comm.allreduce(buffer.numpy())
                    buffer.copy_(torch.from_numpy(np.asarray(total / self.comm.size, np.float32)))

    def slowest(self, seconds: float) -> float:
        """Of all ranks, so that all see the same time."""
        return max(self.comm.allgather(seconds))

    def close(self) -> None:
        """End the exchange of gradients."""
        self.gradients.close()
