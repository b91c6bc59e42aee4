"""Local parallelism: a pipeline whose stages learn each from a classifier of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from kernels.api import Figure
from kernels.training.data_parallel import GradientSum
from kernels.training.parallel import schedules
from kernels.training.parallel.grid import DataParallel, Grid, part_of
from kernels.training.parallel.network import auxiliary_head, batch_loss
from kernels.training.parallel.pipeline import LocalStage, Stage
from kernels.training.parallel.strategy import own_gradients, train


class Local(Grid):
    """No gradient travels between stages, so none of them waits for the way back (Laskin et al., arXiv 2012.03837).

    A stage's classifier goes by the names ``head.<stage>.weight`` and ``.bias``; the last stage ends in the network's
    own.
    """

    sends_gradients = False

    def make_stage(self) -> Stage:
        """A classifier for all but the last stage."""
        last = self.place == self.stages - 1
        self._head = None if last else auxiliary_head(self.parameters.width, self.parameters.seed, self.place)
        self.gradients = GradientSum(self.trained().parameters(), self.replica_comm, torch.device("cpu"))
        return LocalStage(self.module, self._head, self.loss)

    def trained(self) -> nn.Module:
        """The classifier comes after its stage."""
        return nn.Sequential(self.module, self._head) if self._head else self.module

    @staticmethod
    def schedule(stage: int, stages: int, micro_batches: int) -> list[schedules.Action]:
        """Back at once: there is nothing to wait for."""
        return schedules.one_forward_one_backward(stages - 1, stages, micro_batches)

    def descend(self, module: nn.Module) -> None:
        """The classifier learns with its stage."""
        super().descend(module)
        if self._head:
            super().descend(self._head)

    def own_weights(self) -> dict[str, Tensor]:
        """Also the classifier's."""
        return super().own_weights() | self._named(dict(self._head.named_parameters()) if self._head else {})

    def own_gradients(self) -> dict[str, Tensor]:
        """Theirs."""
        return super().own_gradients() | self._named(own_gradients(self._head) if self._head else {})

    def reference_gradients(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same local losses in one process: stage after stage, each from what the one before puts out."""
        values = self.inputs.double()
        found: dict[str, Tensor] = {}
        for stage in range(self.stages):
            part, head = part_of(self.parameters.blocks, self.stages, stage), f"head.{stage}."
            layers = {name: value for name, value in weights.items() if name.split(".")[0] in map(str, part)}
            heads = {name: value for name, value in weights.items() if name.startswith(head)}
            own = {name: value.requires_grad_() for name, value in (layers | heads).items()}
            outputs = functional_call(self.layers[part.start : part.stop], layers, (values,))
            logits = nn.functional.linear(outputs, own[head + "weight"], own[head + "bias"]) if heads else outputs
            loss = batch_loss(logits, self.labels, self.parameters.batch)
            found |= dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
            values = outputs.detach()
        return found

    def expected_bubble(self) -> float:
        """A stage waits for the first micro-batch's way forward alone, a third of its three passes."""
        return schedules.bubble(self.stages, 3 * self.count_micro_batches())

    def quality(self) -> list[Figure]:
        """Also by how much the network, trained as a whole, recognises more: the gap that local losses leave."""
        (accuracy,) = super().quality()
        whole = train(DataParallel(self.parameters, self.comm, self.device))
        return [accuracy, Figure(name="accuracy_gap", value=whole - float(accuracy.value), better="lower")]

    def _named(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {f"head.{self.place}.{name}": value for name, value in values.items()}
