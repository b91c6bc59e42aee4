"""How long a training step waits for its data: the multi-task network's step, fed by a reader."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

import torch

from kernels import registry
from kernels.api import Figure, parse_parameters
from kernels.data.share import Reader, shuffle
from kernels.material.tensile import FEATURES


class Fed(NamedTuple):
    """Seconds of each step: waiting for the next batch, and training on it."""

    waiting_s: list[float]
    training_s: list[float]

    def figures(self) -> list[Figure]:
        """The share of time spent waiting, and the step that it is a share of."""
        waiting_s, training_s = sum(self.waiting_s), sum(self.training_s)
        return [
            Figure(name="stall", value=waiting_s / (waiting_s + training_s), better="lower"),
            Figure(name="fed_step", value=median(self.training_s), unit="s", better="lower"),
        ]


def feed(reader: Reader, steps: int, comm: Any, generator: Any) -> Fed:
    """Train the network of kernel ``mtl_step`` on ``steps`` of the reader's batches.

    That kernel is known by its name alone, and by the ``strains`` and ``targets`` that its workload trains on. Its
    quickest backend trains: a slower step would flatter the reader.

    They are the first of an epoch and, where they are more, of those that follow, so that what a reader does before its
    first batch counts. An epoch before, of which one batch is trained on, warms up and fills caches, and does not.
    Batches smaller than the others are left out. Copying a batch to where the step takes it from counts as waiting. All
    ranks call this together.
    """
    kernel, samples = registry.load("mtl_step"), reader.options.batch * comm.size
    parameters = parse_parameters(kernel, {"batch": samples, "records": samples, "shards": 1})
    training: Any = kernel.prepare("fused", parameters, comm)
    fed = Fed([], [])

    def take(values: torch.Tensor) -> None:
        training.strains.copy_(values[:, :FEATURES])
        training.targets.copy_(values[:, FEATURES:])

    for index, values in enumerate(_epoch(reader, generator)):
        if index == 0:
            take(values)
            training.step()
    batches = itertools.chain.from_iterable(_epoch(reader, generator) for _ in itertools.repeat(None))
    for _ in range(steps):
        start_s = time.perf_counter()
        take(next(batches))
        fetched_s = time.perf_counter()
        training.step()
        fed.waiting_s.append(fetched_s - start_s)
        fed.training_s.append(time.perf_counter() - fetched_s)
    training.close()
    return fed


def _epoch(reader: Reader, generator: Any) -> Iterator[torch.Tensor]:
    size = reader.options.batch
    order = shuffle(reader.share.records, size, generator)
    return (batch for batch in reader.batches(order) if len(batch) == size)
