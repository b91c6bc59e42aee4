"""Grids of ranks: pipeline stages × data-parallel replicas, of which either can be one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kernels.api import Figure, InputError, Work, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.training.data_parallel import GradientSum
from kernels.training.parallel import schedules
from kernels.training.parallel.network import batch_loss
from kernels.training.parallel.pipeline import AccumulatingStage, Pipeline, Stage
from kernels.training.parallel.strategy import Strategy, own_gradients, saved_bytes

if TYPE_CHECKING:
    from kernels.training.parallel_training import ParallelTrainingParameters


class Grid(Strategy):
    """Stages of a pipeline × replicas of each: data parallelism has one stage, a pipeline one replica.

    A rank is stage ``rank // replicas`` of replica ``rank % replicas``; replicas share the batch, and a replica's part
    goes through its stages in micro-batches.
    """

    schedule: Callable[[int, int, int], list[schedules.Action]] = staticmethod(schedules.gpipe)
    sends_gradients = True

    def __init__(self, parameters: ParallelTrainingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.stages = self.count_stages()
        if comm.size % self.stages or self.stages > parameters.blocks:
            raise InputError(
                f"kernel parallel_training: {self.stages} stages of {parameters.blocks} blocks on {comm.size} ranks; "
                "right would be as many stages as divide the ranks, and a block for each at least"
            )
        replicas = comm.size // self.stages
        self.replica_comm = comm.Split(comm.rank // replicas, comm.rank)
        self.pipeline_comm = comm.Split(comm.rank % replicas, comm.rank)
        self.place = self.pipeline_comm.rank
        # a slice of the layers keeps their names in the whole network
        part = part_of(parameters.blocks, self.stages, self.place)
        self.module = self.layers[part.start : part.stop]
        share = divide(parameters.batch, replicas, self.replica_comm.rank)
        self.samples = len(share)
        if len(share) < self.count_micro_batches():
            raise InputError(
                f"kernel parallel_training: {len(share)} samples a replica in {self.count_micro_batches()} "
                "micro-batches; right would be a sample at least in each"
            )
        # views, so that they change with the batch
        self._inputs = list(self.inputs[share.start : share.stop].tensor_split(self.count_micro_batches()))
        self._labels = self.labels[share.start : share.stop].tensor_split(self.count_micro_batches())
        sizes = [len(part) for part in self._inputs]
        self.pipeline = Pipeline(self.pipeline_comm, self.make_stage(), sizes, parameters.width, self.sends_gradients)
        self._actions = self.schedule(self.place, self.stages, len(sizes))
        # of each step: every action's, and in all
        self._pipeline_s: list[tuple[list[float], float]] = []

    def count_stages(self) -> int:
        """Stages of the pipeline."""
        return self.comm.size

    def count_micro_batches(self) -> int:
        """Micro-batches of a replica's part of the batch."""
        return self.parameters.micro_batches

    def make_stage(self) -> Stage:
        """What this rank computes; subclasses say otherwise."""
        self.gradients = GradientSum(self.module.parameters(), self.replica_comm, torch.device("cpu"))
        last = self.place == self.stages - 1
        return AccumulatingStage(self.module, self.loss if last else None, self.parameters.recompute)

    def trained(self) -> nn.Module:
        """What a micro-batch goes through on this rank before it is passed on or ends in its loss."""
        return self.module

    def loss(self, outputs: Tensor, index: int) -> Tensor:
        """A micro-batch's share of the batch's loss."""
        return batch_loss(outputs, self._labels[index], self.parameters.batch)

    def step(self) -> None:
        """All micro-batches through all stages and back, the sum over replicas, the update."""
        self.gradients.clear()
        self.run_pipeline()
        self.gradients.exchange()
        self.descend(self.module)

    def run_pipeline(self) -> None:
        """All micro-batches there and back."""
        self.pipeline.run(self._actions, self._inputs)
        self._pipeline_s.append((self.pipeline.actions_s, self.pipeline.run_s))

    def own_weights(self) -> dict[str, Tensor]:
        """Those of this rank's stage."""
        return dict(self.module.named_parameters())

    def own_gradients(self) -> dict[str, Tensor]:
        """Theirs."""
        return own_gradients(self.module)

    def peak_bytes(self) -> int:
        """With the activations of as many micro-batches as the schedule has in flight at once."""
        inputs = torch.zeros(len(self._inputs[0]), self.parameters.width if self.place else self.inputs.shape[1])
        # what is recomputed one micro-batch at a time is kept once; of the others only the inputs
        saved = saved_bytes(self.trained(), inputs)
        in_flight = schedules.most_in_flight(self._actions)
        kept = saved + (in_flight - 1) * inputs.nbytes if self.parameters.recompute else in_flight * saved
        return 2 * self.parameter_bytes() + kept

    def work(self) -> Work:
        """Of a middle stage: activations to the next, their gradients to the one before, and the replicas' sum.

        On the critical path a message for each micro-batch and stage to fill, there and back.
        """
        micro_batches, directions = self.count_micro_batches(), 2 if self.sends_gradients else 1
        neighbours = min(directions, self.stages - 1)
        sent_bytes, messages = optimal_traffic(self.parameter_bytes(), self.replica_comm.size)
        sent_bytes += neighbours * 4 * self.samples * self.parameters.width
        if self.stages > 1:
            messages += directions * (micro_batches + self.stages - 2)
        return self.count_work(self.samples, sent_bytes, messages, passes=4 if self.parameters.recompute else 3)

    def figures(self, step_s: float) -> list[Figure]:
        """Of a pipeline first the share of its time in which ranks had nothing to do.

        The bubble is 1 - the mean over stages of their busy time / the time from the first micro-batch in to the last
        one out, which leaves out the update; receiving and sending keep a stage busy. It is a median over steps,
        ``bubble_quickest`` that of the quickest quarter, which other work on the machine disturbed least.
        ``bubble_expected`` is what stages of equal actions would have, ``bubble_calibrated`` what they have if each
        action always takes its median over steps.
        """
        figures = super().figures(step_s)
        if self.stages > 1:
            found = self.comm.allreduce(np.array(self._bubbles())) / self.comm.size
            figures = [
                Figure(name="bubble", value=float(found[0]), better="lower"),
                Figure(name="bubble_quickest", value=float(found[1]), better="lower"),
                Figure(name="bubble_expected", value=self.expected_bubble(), better="lower"),
                Figure(name="bubble_calibrated", value=float(found[2]), better="lower"),
                *figures,
            ]
        return figures

    def _bubbles(self) -> tuple[float, float, float]:
        """Of this rank's replica: of all steps, of the quickest quarter, and of the actions' medians."""
        actions = [self.schedule(stage, self.stages, self.count_micro_batches()) for stage in range(self.stages)]
        stages = self.pipeline_comm.allgather(self._pipeline_s)
        # [stages, steps, actions] and [stages, steps]
        actions_s = np.array([[actions_s for actions_s, _ in steps] for steps in stages])
        runs_s = np.array([[run_s for _, run_s in steps] for steps in stages])
        # a way back ends where the way forward began, so that no rank that came early has its waiting counted
        whole_s = runs_s[0] if self.sends_gradients else runs_s.max(axis=0)
        measured = 1 - actions_s.sum(axis=2).mean(axis=0) / whole_s
        quickest = np.argsort(whole_s)[: -(-len(whole_s) // 4)]
        typical_s = np.median(actions_s, axis=1)
        replayed_s = schedules.replay(actions, typical_s.tolist(), self.sends_gradients)
        calibrated = 1 - typical_s.sum(axis=1).mean() / replayed_s
        return float(np.median(measured)), float(np.median(measured[quickest])), float(calibrated)

    def sent_bytes(self) -> float:
        """As its pipeline counted them, and the sum over replicas."""
        return optimal_traffic(self.parameter_bytes(), self.replica_comm.size)[0] + self.pipeline.sent_bytes

    def expected_bubble(self) -> float:
        """Of equal stages and free communication."""
        return schedules.bubble(self.stages, self.count_micro_batches())

    def close(self) -> None:
        """Free the communicators."""
        self.replica_comm.Free()
        self.pipeline_comm.Free()


def part_of(blocks: int, stages: int, stage: int) -> range:
    """The layers of one of ``stages`` stages: its share of the blocks, and the first or the last layer with it."""
    share = divide(blocks, stages, stage)
    return range(share.start + (stage > 0), share.stop + 1 + (stage == stages - 1))


class DataParallel(Grid):
    """Every rank has the whole network and a part of the batch."""

    def count_stages(self) -> int:
        """The whole network is one."""
        return 1

    def count_micro_batches(self) -> int:
        """Nothing waits for a part of the batch, so it stays whole."""
        return 1


class GPipe(Grid):
    """A pipeline over all ranks: all micro-batches forward, then all backward (arXiv 1811.06965)."""


class FlushedPipeline(Grid):
    """As `GPipe`, but each micro-batch goes back as soon as it can, so that fewer are kept."""

    schedule = staticmethod(schedules.one_forward_one_backward)


class Hybrid(Grid):
    """A grid of ``stages`` pipeline stages and as many replicas as the ranks allow."""

    def count_stages(self) -> int:
        """As asked for; one rank alone is one stage."""
        return self.parameters.stages if self.comm.size > 1 else 1
