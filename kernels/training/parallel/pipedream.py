"""PipeDream's pipeline: one forward, one backward, and an update after each micro-batch, through stashed weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from kernels.api import Check
from kernels.training.parallel import schedules
from kernels.training.parallel.grid import Grid, part_of
from kernels.training.parallel.network import batch_loss
from kernels.training.parallel.pipeline import Stage, StashingStage


class PipeDream(Grid):
    """Nothing waits for the whole batch's gradient, at the price of stale ones (PipeDream, SOSP 2019, section 3.3).

    A micro-batch is what the paper calls a minibatch. At each step's end the pipeline drains, so that steps can be
    told apart; so a step's first micro-batches meet weights less stale than in a pipeline that never ends.
    """

    schedule = staticmethod(schedules.one_forward_one_backward)

    def make_stage(self) -> Stage:
        """It owns its weights and steps by itself."""
        last = self.place == self.stages - 1
        self._stage = StashingStage(self.module, self.loss if last else None, self.parameters.learning_rate)
        return self._stage

    def loss(self, outputs: Tensor, index: int) -> Tensor:
        """The mean over the micro-batch, which makes a step of its own."""
        return batch_loss(outputs, self._labels[index], len(outputs))

    def step(self) -> None:
        """All micro-batches through all stages and back, with an update each."""
        self.run_pipeline()

    def own_weights(self) -> dict[str, Tensor]:
        """The newest of this rank's stage."""
        return self._stage.weights

    def peak_bytes(self) -> int:
        """As any pipeline, and of each micro-batch in flight the weights that it came through."""
        versions = schedules.most_in_flight(self._actions)
        return super().peak_bytes() + (versions - 1) * self.parameter_bytes()

    def verify(self) -> Check:
        """Relative error, in the 2-norm, of the weights' change in one more step, against one process in float64.

        The tolerance is 1e-5, as for gradients, and what storing the weights in float32 after each of M updates adds
        at most: M u |w| / |change|, with the unit roundoff u.
        """
        self.restart()
        before = {name: value.double() for name, value in self.gather(self.own_weights()).items()}
        exact = self._emulate(before)
        self.step()
        after = self.gather(self.own_weights())
        change = _flat({name: exact[name] - before[name] for name in exact})
        error = _flat({name: after[name] - exact[name] for name in exact}).norm() / change.norm()
        stored = len(self._inputs) * 2.0**-24 * _flat(before).norm() / change.norm()
        return Check(
            error=float(np.max(self.comm.allgather(error.item()))),
            tolerance=1e-5 + stored.item(),
            reference="the same stale updates in one process, float64",
        )

    def _emulate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Where a step leads from ``weights``: stage k takes micro-batch m after m - (K-1-k) updates."""
        parts = [part_of(self.parameters.blocks, self.stages, stage) for stage in range(self.stages)]
        stage_of = {
            name: next(k for k, part in enumerate(parts) if int(name.split(".")[0]) in part) for name in weights
        }
        versions = [weights]
        for index, (inputs, labels) in enumerate(zip(self._inputs, self._labels, strict=True)):
            stale = {
                name: versions[max(0, index - (self.stages - 1 - stage))][name].detach().requires_grad_()
                for name, stage in stage_of.items()
            }
            loss = batch_loss(functional_call(self.layers, stale, (inputs.double(),)), labels, len(labels))
            changes = torch.autograd.grad(loss, list(stale.values()))
            newest = zip(versions[-1].items(), changes, strict=True)
            versions.append(
                {name: value.detach() - self.parameters.learning_rate * change for (name, value), change in newest}
            )
        return versions[-1]


def _flat(values: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in values.values()])
