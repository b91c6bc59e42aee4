"""Readers that read a whole epoch before they hand out its first batch: the thesis's baseline and its parallel map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from kernels.data.gather import Rows
from kernels.data.manifest import COLUMNS, FORMS, RECORD_BYTES, VALUE_TYPE
from kernels.data.share import Options, Reader, Share, places_in
from kernels.data.text import decode

# a block of so many records stays in a core's cache between reading, normalising and placing it
_READ_TOGETHER = 128


class SerialReader(Reader):
    """The baseline: file by file and record by record read, decode and normalise, then hand out the batches."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.epoch = np.empty((share.records, COLUMNS), np.float32)

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Read all, each record to its place in the shuffled epoch."""
        places = iter(places_in(order))
        for path in self.share.paths:
            with path.open("rb") as file:
                if self.share.form == "text":
                    for line in file:
                        self.share.normalise(np.array(line.split(b","), np.float32), self.epoch[next(places)])
                else:
                    while content := file.read(RECORD_BYTES):
                        self.share.normalise(np.frombuffer(content, VALUE_TYPE), self.epoch[next(places)])
        yield from torch.from_numpy(self.epoch).split(self.options.batch)


class ParallelReader(Reader):
    """Files mapped over threads: each reads, decodes and normalises whole shards; then hand out the batches."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.epoch = np.empty((share.records, COLUMNS), np.float32)
        self.pool = ThreadPoolExecutor(options.threads)

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Read all, each record to its place in the shuffled epoch."""
        places = places_in(order)
        text = self.share.form == "text"

        def read(path: Path, first: int) -> None:
            content = np.empty((_READ_TOGETHER, COLUMNS * FORMS[self.share.form].value_bytes), np.uint8)
            records = np.empty((_READ_TOGETHER, COLUMNS), np.float32) if text else content.view(VALUE_TYPE)
            with path.open("rb") as file:
                while count := file.readinto(content.data) // content.shape[1]:
                    block = decode(content[:count], records[:count]) if text else records[:count]
                    self.share.normalise(block, block)
                    self.epoch[places[first : first + count]] = block
                    first += count

        for _ in self.pool.map(read, self.share.paths, self.share.first_record):
            pass
        yield from torch.from_numpy(self.epoch).split(self.options.batch)

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()
