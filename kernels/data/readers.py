"""Ways to turn shards of strain records into shuffled, normalised batches, from a plain loop to a cache in memory.

Every reader delivers the same batches: float32 tensors [batch, 1088] in host memory, the standardised strains followed
by the labels scaled to [0, 1]. A batch is valid until the next one is asked for, since readers reuse their memory.
"""

from __future__ import annotations

import mmap
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from kernels.data.records import COLUMNS, RECORD_BYTES, VALUE_TYPE, Dataset, Floats

Rows = NDArray[np.int64]

# a block of so many records stays in a core's cache between reading, normalising and placing it
_READ_TOGETHER = 128


class Share(NamedTuple):
    """Some shards of a data set, their records numbered through, and how to normalise them.

    ``first_record`` is int64 [shards + 1]; a normalised record is (raw − ``offset``)·``scale``, float32 [1088] each.
    """

    paths: list[Path]
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


def shuffle(records: int, batch: int, generator: np.random.Generator) -> list[Rows]:
    """The record numbers of every batch of an epoch, shuffled over all records; the last batch may be smaller.

    Within a batch they ascend: the sum of a batch's gradients does not know their order, and reading likes it.
    """
    order = generator.permutation(records)
    return [np.sort(order[start : start + batch]) for start in range(0, records, batch)]


class Options(NamedTuple):
    """How to read: ``reader_threads`` and ``prefetch_batches`` concern the readers that have any.

    ``cold`` asks that no process keeps shards mapped between epochs: mapped pages cannot leave the page cache.
    """

    batch: int
    reader_threads: int
    prefetch_batches: int
    cold: bool = False


class Reader(ABC):
    """One way to read a share."""

    def __init__(self, share: Share, options: Options) -> None:
        self.share = share
        self.options = options

    @abstractmethod
    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """One epoch, in this order; see `shuffle`."""

    def close(self) -> None:  # noqa: B027 - most readers hold nothing
        """Give back threads and processes."""


class SerialReader(Reader):
    """The baseline: file by file and record by record read, decode and normalise, then hand out the batches."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.epoch = np.empty((share.records, COLUMNS), np.float32)

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Read all, each record to its place in the shuffled epoch."""
        places = iter(_places(order))
        for path in self.share.paths:
            with path.open("rb") as file:
                while content := file.read(RECORD_BYTES):
                    self.share.normalise(np.frombuffer(content, VALUE_TYPE), self.epoch[next(places)])
        yield from torch.from_numpy(self.epoch).split(self.options.batch)


class ParallelReader(Reader):
    """Files mapped over threads: each reads, decodes and normalises whole shards; then hand out the batches."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.epoch = np.empty((share.records, COLUMNS), np.float32)
        self.pool = ThreadPoolExecutor(options.reader_threads)

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Read all, each record to its place in the shuffled epoch."""
        self._read_epoch(_places(order))
        yield from torch.from_numpy(self.epoch).split(self.options.batch)

    def _read_epoch(self, places: Rows) -> None:
        def read(path: Path, first: int) -> None:
            block = np.empty((_READ_TOGETHER, COLUMNS), VALUE_TYPE)
            with path.open("rb") as file:
                while count := file.readinto(block.data) // RECORD_BYTES:
                    self.share.normalise(block[:count], block[:count])
                    self.epoch[places[first : first + count]] = block[:count]
                    first += count

        for _ in self.pool.map(read, self.share.paths, self.share.first_record):
            pass

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()


class PrefetchReader(Reader):
    """Threads gather batches from memory-mapped shards ahead of the consumer, at most ``prefetch_batches`` of them."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.mapped = MappedShards(share)
        # one more than are ahead: the one that the consumer holds
        self.buffers = np.empty((options.prefetch_batches + 1, options.batch, COLUMNS), np.float32)
        self.pool = ThreadPoolExecutor(options.reader_threads)

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order, while later ones are being made."""
        self.mapped.map()
        depth = self.options.prefetch_batches
        ahead: deque[Future[Floats]] = deque()
        for index in range(len(order) + depth):
            if index < len(order):
                buffer = self.buffers[index % (depth + 1), : len(order[index])]
                ahead.append(self.pool.submit(self.mapped.gather, order[index], buffer))
            if index >= depth:
                yield torch.from_numpy(ahead.popleft().result())
        if self.options.cold:
            self.mapped.unmap()

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()


class CachedReader(PrefetchReader):
    """The first epoch fills memory with the normalised records; it and all later ones gather from there.

    Nothing is done ahead then: copying a batch runs at the speed of memory, and one reused buffer stays in cache.
    """

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.cache: Floats | None = None

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order, gathered from memory."""
        cache = self.cache if self.cache is not None else self._fill()
        for rows in order:
            yield torch.from_numpy(_take(cache, rows, self.buffers[0, : len(rows)]))

    def _fill(self) -> Floats:
        self.cache = np.empty((self.share.records, COLUMNS), np.float32)
        in_file_order = np.array_split(np.arange(self.share.records), -(-self.share.records // self.options.batch))
        for rows, batch in zip(in_file_order, super().batches(in_file_order), strict=True):
            self.cache[rows] = batch
        self.mapped.unmap()
        return self.cache


class DataLoaderReader(Reader):
    """torch's DataLoader, given whole batches of record numbers to fetch from memory-mapped shards.

    Worker processes pay for a batch's way between processes, which costs more than it gains where decoding is
    cheap; so trial epochs with and without ``reader_threads`` workers decide, before anything is timed.
    """

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.mapped = MappedShards(share)
        self.order: list[Any] = []
        loaders = {workers: self._loader(workers) for workers in (0, options.reader_threads)}
        self.workers = min(loaders, key=lambda workers: self._trial_s(loaders[workers]))
        self.loader = loaders[self.workers]

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order, as the loader yields them."""
        yield from self._epoch(self.loader, order)

    def close(self) -> None:
        """End the worker processes, which live as long as their loader."""
        del self.loader

    def _epoch(self, loader: DataLoader, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        self.order[:] = order
        yield from loader
        if self.options.cold:
            self.mapped.unmap()

    def _loader(self, workers: int) -> DataLoader:
        return DataLoader(
            _MappedDataset(self.mapped),
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


class _MappedDataset(TorchDataset):
    """Fetches a whole batch at once, and maps the shards in whichever process it is asked in."""

    def __init__(self, mapped: MappedShards) -> None:
        self.mapped = mapped

    def __len__(self) -> int:
        return self.mapped.share.records

    def __getitems__(self, rows: Rows) -> torch.Tensor:
        self.mapped.map()
        return torch.from_numpy(self.mapped.gather(rows, np.empty((len(rows), COLUMNS), np.float32)))


def _as_is(batch: Any) -> Any:
    return batch


class MappedShards:
    """The shards of a share in this process's memory map."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.shards: list[Floats] = []

    def map(self) -> None:
        """Map the shards unless they are."""
        if not self.shards:
            self.shards = [_map_shard(path) for path in self.share.paths]

    def unmap(self) -> None:
        """Let go of the shards, so that their pages can leave the page cache."""
        self.shards = []

    def gather(self, rows: Rows, out: Floats) -> Floats:
        """Normalise the records of ascending numbers ``rows`` into ``out`` [rows, 1088] and return it."""
        cuts = np.searchsorted(rows, self.share.first_record)
        for shard, first, start, stop in zip(
            self.shards, self.share.first_record[:-1], cuts[:-1], cuts[1:], strict=True
        ):
            if start < stop:
                part = out[start:stop]
                _take(shard, rows[start:stop] - first, part)
                self.share.normalise(part, part)
        return out


def _take(records: Floats, rows: Rows, out: Floats) -> Floats:
    # with the default mode NumPy would gather into a copy of ``out`` first
    return np.take(records, rows, axis=0, out=out, mode="clip")


def _map_shard(path: Path) -> Floats:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # read ahead in file order, rather than fault pages in by the order of a shuffled epoch
    mapped.madvise(mmap.MADV_WILLNEED)
    return np.frombuffer(mapped, VALUE_TYPE).reshape(-1, COLUMNS)


def _places(order: Sequence[Rows]) -> Rows:
    """Where in the epoch each record comes, int64 [records]."""
    rows = np.concatenate(order)
    places = np.empty_like(rows)
    places[rows] = np.arange(len(rows))
    return places
