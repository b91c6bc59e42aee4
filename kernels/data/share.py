"""A rank's share of a data set, the order of an epoch, and what every reader of it has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from kernels.api import Figure
from kernels.data.dataset import Dataset
from kernels.data.gather import Rows
from kernels.data.manifest import Floats, Form

Cache = Literal["none", "memory", "disk"]


class Share(NamedTuple):
    """Some shards of a data set, their records numbered through, and how to normalise them.

    ``first_record`` is int64 [shards + 1]; a normalised record is (raw − ``offset``)·``scale``, float32 [1088] each.
    """

    paths: list[Path]
    form: Form
    first_record: Rows
    offset: Floats
    scale: Floats

    @classmethod
    def of(cls, dataset: Dataset, shards: range) -> Share:
        """Those shards of the data set; the statistics are the whole data set's."""
        offset, scale = dataset.normalisation()
        counts = [dataset.shard_records[shard] for shard in shards]
        return cls(
            [dataset.shard_paths[shard] for shard in shards],
            dataset.form,
            np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
            offset.astype(np.float32),
            scale.astype(np.float32),
        )

    @property
    def records(self) -> int:
        """How many records these shards hold."""
        return int(self.first_record[-1])

    def normalise(self, raw: Floats, out: Floats) -> None:
        """Normalise raw records [..., 1088] into ``out``, which may be ``raw`` itself."""
        np.subtract(raw, self.offset, out=out)
        out *= self.scale


class Options(NamedTuple):
    """How to read: ``threads`` and ``prefetch_batches`` concern the readers that have any.

    ``cold`` asks that no process keeps files mapped between epochs: mapped pages cannot leave the page cache.
    """

    batch: int
    threads: int
    prefetch_batches: int
    cache: Cache = "none"
    cold: bool = False


class Reader(ABC):
    """One way to turn a share into batches.

    Every reader delivers the same ones: float32 tensors [batch, 1088] in host memory, the standardised strains followed
    by the labels scaled to [0, 1]. A batch is valid until the next one is asked for, since readers reuse their memory.
    A form or a cache that this way does not know its backend does not take; see `kernels.api.Backend`.
    """

    def __init__(self, share: Share, options: Options) -> None:
        self.share = share
        self.options = options

    @abstractmethod
    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """One epoch, in this order; see `shuffle`."""

    def consume(self, order: Sequence[Rows]) -> int:
        """Let one epoch pass, and say how many records came."""
        return sum(len(batch) for batch in self.batches(order))

    @property
    def files(self) -> list[Path]:
        """What an epoch reads: nothing, once the records are kept in memory."""
        return self.share.paths

    def figures(self) -> list[Figure]:
        """What this reader found out about itself."""
        return []

    def close(self) -> None:  # noqa: B027 - most readers hold nothing
        """Give back threads, processes and files."""


def shuffle(records: int, batch: int, generator: np.random.Generator) -> list[Rows]:
    """The record numbers of every batch of an epoch, shuffled over all records; the last batch may be smaller.

    Within a batch they ascend: the sum of a batch's gradients does not know their order, and reading likes it.
    """
    batch_of = np.empty(records, np.min_scalar_type(records // batch))
    batch_of[generator.permutation(records)] = np.arange(records) // batch
    # of so small numbers NumPy's stable sort is by radix, in half the time of sorting each batch
    return np.split(np.argsort(batch_of, kind="stable"), range(batch, records, batch))


def places_in(order: Sequence[Rows]) -> Rows:
    """Where in the epoch each record comes, int64 [records]."""
    rows = np.concatenate(order)
    places = np.empty_like(rows)
    places[rows] = np.arange(len(rows))
    return places
