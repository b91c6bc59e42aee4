"""NVIDIA's DALI on the CPU: records gathered by NumPy from shards or memory, normalised by DALI's operators."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from kernels.data.gather import Rows
from kernels.data.manifest import COLUMNS, Floats
from kernels.data.share import Options, Reader, Share
from kernels.data.sources import Shards

# DALI's own default; deeper queues need more memory
_LEAST_DEPTH = 2


def missing() -> str | None:
    """Why DALI cannot run here."""
    # without the package the search for what is within it fails
    found = importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.dali")
    return None if found else "needs nvidia.dali: pip install 'scalemark[dali]'"


class DaliReader(Reader):
    """A pipeline fed with whole batches, since DALI's own readers of files shuffle no further than their buffer."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.shards = Shards(share, _take)
        self.cache = self._read_all() if options.cache == "memory" else None
        self.depth = max(_LEAST_DEPTH, options.prefetch_batches)
        # the pipeline reads what it was given without a copy: as many again as may be in its queues
        self.buffers = np.empty((2 * self.depth + 2, options.batch, COLUMNS), np.float32)
        self.fed = 0
        self.rows: Iterator[Rows] = iter(())
        self.pipeline = self._build()

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """Batches in order, as the pipeline ends them."""
        self.shards.map()
        self.rows = iter(order)
        for _ in order:
            (outputs,) = self.pipeline.run()
            yield torch.from_numpy(np.asarray(outputs.at(0)))
        self._drain()
        if self.options.cold:
            self.shards.unmap()

    def close(self) -> None:
        """End the pipeline's threads; DALI may keep what it was fed from, this reader, for longer."""
        del self.pipeline
        self.shards.close()

    def _build(self) -> Any:
        from nvidia.dali import fn, pipeline_def

        @pipeline_def(batch_size=1, num_threads=self.options.threads, device_id=None, prefetch_queue_depth=self.depth)
        def normalised() -> Any:
            raw = fn.external_source(source=self._fetch, no_copy=True)
            return raw if self.cache is not None else (raw - self.share.offset) * self.share.scale

        pipeline = normalised()
        pipeline.build()
        return pipeline

    def _fetch(self) -> list[Floats]:
        """The next batch; StopIteration, which DALI expects, ends the epoch."""
        rows = next(self.rows)
        buffer = self.buffers[self.fed % len(self.buffers), : len(rows)]
        self.fed += 1
        if self.cache is None:
            return [self.shards.gather(rows, buffer)]
        return [np.take(self.cache, rows, axis=0, out=buffer, mode="clip")]

    def _drain(self) -> None:
        try:
            self.pipeline.run()
        except StopIteration:
            self.pipeline.reset()

    def _read_all(self) -> Floats:
        records = np.empty((self.share.records, COLUMNS), np.float32)
        self.shards.map()
        self.share.normalise(self.shards.gather(np.arange(len(records)), records), records)
        self.shards.unmap()
        return records


def _take(records: Floats, rows: Rows, offset: Floats, scale: Floats, out: Floats) -> None:
    """Raw records, for DALI to normalise."""
    np.take(records, rows, axis=0, out=out, mode="clip")
