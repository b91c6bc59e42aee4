"""The optimised reader: compiled threads assemble batches ahead of the consumer, from shards or a cache of them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

import numpy as np
import torch

from kernels.api import Figure
from kernels.data.file_order import readings
from kernels.data.gather import Rows
from kernels.data.manifest import Floats
from kernels.data.share import Options, Reader, Share, places_in
from kernels.data.sources import CompiledShards, Disk, Mapped, Memory, Source, huge_array

Answers = SimpleQueue[Exception | None]


class Pending(NamedTuple):
    """So many calls under way; ``answers`` hears of each None, or what went wrong."""

    calls: int
    answers: Answers

    def wait(self) -> None:
        """Until all are done; raises what one of them raised."""
        if error := self.finish():
            raise error

    def finish(self) -> Exception | None:
        """Until all are done; what one of them raised."""
        errors = [self.answers.get() for _ in range(self.calls)]
        return next(filter(None, errors), None)


class Workers:
    """Threads that make calls, or none: then the caller makes them at once.

    An executor's futures would cost a tenth of a batch's time.
    """

    def __init__(self, threads: int) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], object], Answers] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def start(self, calls: Iterable[Callable[[], object]]) -> Pending:
        """Have these calls made, in any order."""
        answers: Answers = SimpleQueue()
        count = 0
        for call in calls:
            count += 1
            if self._threads:
                self._calls.put((call, answers))
            else:
                _make(call, answers)
        return Pending(count, answers)

    def close(self) -> None:
        """End the threads, after what they were given before."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while self._make_next():
            pass

    def _make_next(self) -> bool:
        # a frame of its own, since a waiting thread must not keep the last call's files mapped
        given = self._calls.get()
        if given:
            _make(*given)
        return given is not None


class OptimisedReader(Reader):
    """Threads gather batches at most ``prefetch_batches`` ahead into memory that is used again.

    The first epoch with a cache keeps the normalised records, in memory or in a file; it and all later ones gather from
    there. The threads share a batch if there are more of them than batches ahead. On a single core nothing is done
    ahead, and the consumer gathers: a thread would only take the core from it. Cold files are read in their own order
    into an epoch's memory, by threads on a single core too, which wait for the disk.
    """

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.source: Source = CompiledShards(share)
        self.reads_files = options.cold and options.cache != "memory"
        self.depth = options.prefetch_batches if len(os.sched_getaffinity(0)) > 1 else 0
        # one more than are ahead: the one that the consumer holds
        held = share.records if self.reads_files else (self.depth + 1) * options.batch
        self.memory = huge_array(held)
        alone = self.depth == 0 and (options.threads == 1 or len(os.sched_getaffinity(0)) == 1)
        threads = 0 if alone and not self.reads_files else options.threads
        self.parts = max(1, -(-threads // max(1, self.depth)))
        self.workers = Workers(threads)
        self.fill_s: float | None = None

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order, while later ones are being made."""
        if self.options.cache != "none" and self.fill_s is None:
            self._fill()
        return self._read(order) if self.reads_files else self._gather(order)

    @property
    def files(self) -> list[Path]:
        """The shards, or the cache's file, or nothing."""
        return self.source.files

    def figures(self) -> list[Figure]:
        """How many batches were made ahead, and how long it took to fill the cache."""
        ahead = Figure(name="ahead", value=self.depth)
        return (
            [ahead]
            if self.fill_s is None
            else [ahead, Figure(name="fill", value=self.fill_s, unit="s", better="lower")]
        )

    def close(self) -> None:
        """End the threads and remove the cache."""
        self.workers.close()
        self.source.close()

    def _gather(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        self.source.map()
        buffers = self.memory.reshape(self.depth + 1, self.options.batch, -1)
        ahead: deque[tuple[Floats, Pending]] = deque()
        try:
            for index in range(len(order) + self.depth):
                if index < len(order):
                    batch = buffers[index % (self.depth + 1), : len(order[index])]
                    ahead.append((batch, self.workers.start(self._parts(order[index], batch))))
                if index >= self.depth:
                    batch, pending = ahead.popleft()
                    pending.wait()
                    yield torch.from_numpy(batch)
        finally:
            # a consumer that stops early leaves calls that write to where the next epoch's go
            for _, pending in ahead:
                pending.finish()

    def _parts(self, rows: Rows, batch: Floats) -> Iterator[Callable[[], object]]:
        for low, high in pairwise(len(rows) * part // self.parts for part in range(self.parts + 1)):
            yield partial(self.source.gather, rows[low:high], batch[low:high])

    def _read(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        assert isinstance(self.source, Mapped)
        self.workers.start(readings(self.source.share, places_in(order), self.memory)).wait()
        yield from torch.from_numpy(self.memory).split(self.options.batch)

    def _fill(self) -> None:
        start_s = time.perf_counter()
        records = self.share.records
        cache: Memory | Disk = (
            Memory(records) if self.options.cache == "memory" else Disk(records, self.share.paths[0].parent.parent)
        )
        self.workers.start(readings(self.share, np.arange(records), cache.records)).wait()
        cache.unmap()
        self.source = cache
        self.fill_s = time.perf_counter() - start_s


def _make(call: Callable[[], object], answers: Answers) -> None:
    error = None
    try:
        call()
    except Exception as raised:
        error = raised
    answers.put(error)
