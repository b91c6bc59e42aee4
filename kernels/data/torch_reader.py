"""What users of NumPy and torch write today: a memory map in a loop, and torch's DataLoader."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from kernels.api import Figure
from kernels.data.gather import Rows, normalise_with_numpy
from kernels.data.manifest import COLUMNS
from kernels.data.share import Options, Reader, Share, shuffle
from kernels.data.sources import Shards


class MemmapReader(Reader):
    """Batches gathered from memory-mapped shards by NumPy, one after the other."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.shards = Shards(share, normalise_with_numpy)
        self.buffer = np.empty((options.batch, COLUMNS), np.float32)

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order."""
        self.shards.map()
        for rows in order:
            yield torch.from_numpy(self.shards.gather(rows, self.buffer[: len(rows)]))
        if self.options.cold:
            self.shards.unmap()

    def close(self) -> None:
        """Let go of the shards."""
        self.shards.close()


class DataLoaderReader(Reader):
    """torch's DataLoader, given whole batches of record numbers to fetch from memory-mapped shards or from memory.

    Worker processes pay for a batch's way between processes, which costs more than it gains where decoding is
    cheap; so trial epochs with and without ``threads`` workers decide, before anything is timed.
    """

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.shards = Shards(share, normalise_with_numpy)
        self.dataset = _MemoryDataset(self.shards) if options.cache == "memory" else _ShardDataset(self.shards)
        self.order: list[Any] = []
        loaders = {workers: self._loader(workers) for workers in (0, options.threads)}
        self.workers = min(loaders, key=lambda workers: self._trial_s(loaders[workers]))
        self.loader = loaders[self.workers]

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order, as the loader yields them."""
        yield from self._epoch(self.loader, order)

    def figures(self) -> list[Figure]:
        """How many worker processes were quicker."""
        return [Figure(name="workers", value=self.workers)]

    def close(self) -> None:
        """End the worker processes, which live as long as their loader."""
        del self.loader
        self.shards.close()

    def _epoch(self, loader: DataLoader, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        self.order[:] = order
        yield from loader
        if self.options.cold:
            self.shards.unmap()

    def _loader(self, workers: int) -> DataLoader:
        return DataLoader(
            self.dataset,
            batch_sampler=self.order,
            collate_fn=_as_is,
            num_workers=workers,
            prefetch_factor=max(1, self.options.prefetch_batches // workers) if workers else None,
            persistent_workers=workers > 0 and not self.options.cold,
        )

    def _trial_s(self, loader: DataLoader) -> float:
        """The second epoch's time: the first one starts workers and faults pages in."""
        generator = np.random.default_rng(0)
        for _ in range(2):
            start = time.perf_counter()
            for _ in self._epoch(loader, shuffle(self.share.records, self.options.batch, generator)):
                pass
        return time.perf_counter() - start


class _ShardDataset(Dataset):
    """Fetches a whole batch at once, and maps the shards in whichever process it is asked in."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards

    def __getitems__(self, rows: Rows) -> torch.Tensor:
        self.shards.map()
        return torch.from_numpy(self.shards.gather(rows, np.empty((len(rows), COLUMNS), np.float32)))


class _MemoryDataset(Dataset):
    """Fetches a whole batch at once from an array of all normalised records.

    NumPy takes rows several times quicker than torch's `index_select`, whose threads wait for each other.
    """

    def __init__(self, shards: Shards) -> None:
        self.records = np.empty((shards.share.records, COLUMNS), np.float32)
        shards.map()
        shards.gather(np.arange(len(self.records)), self.records)
        shards.unmap()

    def __getitems__(self, rows: Rows) -> torch.Tensor:
        return torch.from_numpy(np.take(self.records, rows, axis=0))


def _as_is(batch: Any) -> Any:
    return batch
