"""The networks' workloads of kernel ``material_identification``: each step trains from scratch."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.training.data_parallel import find_dataset
from kernels.training.identification.data import CHANNELS, read_samples
from kernels.training.identification.quality import THESIS_LOSS, error_figures, loss_by_label
from kernels.training.identification.search import EdgeNetwork, EdgeSearch, RandomEdges
from kernels.training.identification.training import Trainer
from kernels.training.network import HEADS, MultiTaskNetwork
from kernels.training.sides import TOLERANCE, gradient_error, relative_error, taking_sides

if TYPE_CHECKING:
    from kernels.training.material_identification import MaterialIdentificationParameters

# samples whose outputs a check computes anew
CHECKED = 64


class Identification(Workload):
    """The records in three parts, and what is said of any method's ``outputs`` [N, 8] for the test part."""

    parameters: MaterialIdentificationParameters

    def __init__(self, parameters: MaterialIdentificationParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        folder = find_dataset(parameters.records, parameters.shards, parameters.seed, comm)
        self.parts = read_samples(folder, parameters.components, parameters.seed)
        self.outputs: NDArray[np.float32] = np.empty((0, len(HEADS)), np.float32)

    def figures(self, step_s: float) -> list[Figure]:
        """Loss beside a straight line's and the thesis's, and the errors of each label beside the thesis's."""
        errors = self.parts.errors(self.outputs, self.parts.test)
        line = self.parts.errors(np.zeros_like(self.outputs), self.parts.test)
        return [
            Figure(name="test loss", value=float(loss_by_label(errors).sum()), better="lower"),
            Figure(name="test loss, straight line", value=float(loss_by_label(line).sum())),
            Figure(name="validation loss, thesis", value=THESIS_LOSS),
            *error_figures(errors),
        ]


class NetworkIdentification(Identification):
    """The multi-task network; the batch is divided over the ranks."""

    trainer: Trainer

    def step(self) -> None:
        """Make and train the network."""
        self.trainer = self.make()
        self.trainer.train(self.parts)
        self.outputs = self.trainer.predict(self.parts.test)

    def make(self) -> Trainer:
        """A network with the weights that the seed draws, and its trainer."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.parameters.seed)
            return self.trainer_of()

    def trainer_of(self) -> Trainer:
        """Of this backend."""
        return Trainer(MultiTaskNetwork(self.parameters.width, CHANNELS), self.parameters, self.comm)

    def verify(self) -> Check:
        """Of the last test outputs the relative error in the 2-norm, and `gradient_error` of one more batch.

        Both are computed anew by a copy of the network in float64, over ranks summed in float64. The larger counts; the
        outputs are held to what a gradient is.
        """
        network = copy.deepcopy(self.trainer.network).double()
        errors = [self._error_of_outputs(network.eval()), self._error_of_gradient(network.train())]
        return Check(
            error=float(np.max(self.comm.allgather(np.max(errors)))),
            tolerance=TOLERANCE["cpu"],
            reference="outputs and gradient of the same network in float64",
        )

    def _error_of_outputs(self, network: nn.Module) -> float:
        with torch.no_grad():
            right = network(self.parts.test.records[:CHECKED].double()).numpy()
        return relative_error(self.outputs[:CHECKED], right)

    def _error_of_gradient(self, network: nn.Module) -> float:
        trainer, batch = self.trainer, torch.arange(min(self.parameters.batch, len(self.parts.training.targets)))
        trained = copy.deepcopy(trainer.network.state_dict())
        with taking_sides(trainer.network) as sides:
            trainer.compute_gradients(self.parts.training, batch)
        # a forward pass moves the running statistics, which the outputs depend on
        trainer.network.load_state_dict(trained)
        weights = [weight for name, weight in network.named_parameters() if name != "alphas"]

        def gradient() -> Tensor:
            loss = trainer.loss(network, self.parts.training, batch)
            parts = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
            return torch.cat([part.flatten() for part in parts])

        return gradient_error(trainer.gradients.flat, sides, network, gradient, self.comm)

    def figures(self, step_s: float) -> list[Figure]:
        """Also the validation loss, and seconds and epochs until the loss was low enough."""
        history = self.trainer.history
        seconds = history.seconds_to(self.parameters.target_loss)
        test_loss, *rest = super().figures(step_s)
        return [
            test_loss,
            Figure(name="validation loss", value=history.validation[-1], better="lower"),
            Figure(name="epochs", value=len(history.validation)),
            Figure(name="time to loss", value=seconds if math.isfinite(seconds) else "never", unit="s", better="lower"),
            *rest,
        ]

    def work(self) -> Work:
        """Of the rank with the largest part of a batch, for the epochs that were trained (all, before a step).

        Matrix products and convolutions, forward and backward, as torch counts them from shapes: 2 m k n for a
        product of (m, k) and (k, n), a convolution as its matrix product. Normalisation, validation and Adam are left
        out. The exchange is `optimal_traffic` of the gradients, every batch.
        """
        trainer = self.make()
        count = len(self.parts.training.targets)
        batch = min(self.parameters.batch, count)
        with FlopCounterMode(display=False) as counter:
            trainer.compute_gradients(self.parts.training, torch.arange(batch))
        batches = count // batch * self._epochs()
        sent, messages = optimal_traffic(trainer.gradients.flat.nbytes, self.comm.size)
        largest = len(divide(batch, self.comm.size, 0))
        mine = len(divide(batch, self.comm.size, self.comm.rank))
        trainer.close()
        return Work(
            items=batch * batches,
            item="sample",
            flops=float(counter.get_total_flops()) * largest / mine * batches,
            sent_bytes=sent * batches,
            messages=messages * batches,
        )

    def _epochs(self) -> int:
        trained = len(self.trainer.history.validation) if hasattr(self, "trainer") else 0
        return trained or self.parameters.epochs


class SearchedIdentification(NetworkIdentification):
    """MTL-NAS on two networks, for the easy and the hard labels."""

    def trainer_of(self) -> Trainer:
        """Edges between the networks are searched for."""
        return EdgeSearch(EdgeNetwork(self.parameters.width, self.parameters.seed), self.parameters, self.comm)

    def figures(self, step_s: float) -> list[Figure]:
        """Also how many of the edges were taken."""
        taken = int(self.trainer.network.taken().sum())  # type: ignore[operator]
        return [*super().figures(step_s), Figure(name="edges taken", value=taken)]


class RandomIdentification(SearchedIdentification):
    """The same networks with random edges."""

    def trainer_of(self) -> Trainer:
        """Edges are drawn."""
        return RandomEdges(EdgeNetwork(self.parameters.width, self.parameters.seed), self.parameters, self.comm)
