"""Kernel ``input_pipeline``: from strain records on a file system to shuffled, normalised batches.

One step is one epoch: every rank reads its own shards, decodes, standardises the 1080 strains, scales the 8 labels to
[0, 1] and hands over batches, shuffled anew over all its records, with every backend. ``serial``, ``parallel`` and
``optimised`` with deeper prefetch and a cache are the steps that made the thesis's pipeline fast (section 4.3.4.3); the
others are what users pick today.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kernels.api import Backend, Check, Figure, Kernel, Work, Workload, divide
from kernels.data import dali_reader, page_cache, tf_data_reader
from kernels.data.dali_reader import DaliReader
from kernels.data.dataset import open_dataset
from kernels.data.epoch_readers import ParallelReader, SerialReader
from kernels.data.feeding import feed
from kernels.data.gather import Rows
from kernels.data.input_parameters import InputPipelineParameters, check, find_dataset, grow
from kernels.data.manifest import COLUMNS, FORMS, RECORD_BYTES, Form
from kernels.data.optimised import OptimisedReader
from kernels.data.share import Options, Reader, Share, shuffle
from kernels.data.tf_data_reader import TfDataReader
from kernels.data.torch_reader import DataLoaderReader, MemmapReader
from kernels.declaring import cpu_only

# four roundings to float32
_TOLERANCE = 4 * 2.0**-24


class InputPipeline(Workload):
    """One rank's share of an epoch, read by a `Reader` of the given kind."""

    parameters: InputPipelineParameters

    def __init__(self, reader: type[Reader], parameters: InputPipelineParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.dataset = open_dataset(find_dataset(parameters, comm))
        self.share = Share.of(self.dataset, divide(parameters.shards, comm.size, comm.rank))
        self.largest_share = max(comm.allgather(self.share.records))
        self.reader = reader(
            self.share,
            Options(
                parameters.batch,
                parameters.reader_threads,
                parameters.prefetch_batches,
                parameters.cache,
                parameters.page_cache == "cold",
            ),
        )
        self.epoch = 0
        self.order: list[Rows] = []
        self.delivered = 0
        self.dropped_by = ""
        self.resident_fraction = 1.0

    def before_step(self) -> None:
        """For cold epochs, drop what this rank reads from the page cache and look whether it is out."""
        if self.parameters.page_cache == "cold":
            self.dropped_by = page_cache.drop(self.reader.files)
            self.resident_fraction = page_cache.resident_fraction(self.reader.files)

    def step(self) -> None:
        """One epoch in an order of its own."""
        self.order = shuffle(self.share.records, self.parameters.batch, self._generator(self.epoch))
        self.delivered = self.reader.consume(self.order)
        self.epoch += 1

    def verify(self) -> Check:
        """Deliver the last epoch again and compare every batch with the raw shards normalised in float64.

        The error is the largest over all ranks and columns, relative to (|raw| + |offset|)·scale with the column's
        largest |raw|; infinite unless every record came exactly once and in another order than that of the files. The
        tolerance is four float32 roundings u: offset and, from text, raw are each rounded once, which costs
        u(|raw| + |offset|)·scale; difference, scale and product cost u|raw − offset|·scale each.
        """
        raw = np.concatenate([_read_independently(path, self.share.form) for path in self.share.paths])
        offset, scale = self.dataset.normalisation()
        order = np.concatenate(self.order)
        in_file_order = np.arange(len(raw))
        complete = self.delivered == len(raw) and np.array_equal(np.sort(order), in_file_order)
        # within a batch the records ascend, so one batch of all has no other order
        shuffled = len(self.order) == 1 or not np.array_equal(order, in_file_order)
        errors = [0.0 if complete and shuffled else np.inf]
        size = (np.abs(raw).max(axis=0) + np.abs(offset)) * scale
        for rows, batch in zip(self.order, self.reader.batches(self.order), strict=True):
            expected = (raw[rows] - offset) * scale
            errors.append(np.max(np.abs(batch.numpy() - expected) / size))
        return Check(
            error=self._largest(np.nan_to_num(np.max(errors), nan=np.inf, posinf=np.inf)),
            tolerance=_TOLERANCE,
            reference="shards read by another library, normalised in float64; relative to each column's values",
        )

    def work(self) -> Work:
        """What any pipeline must do, counted per record of 1088 values.

        Memory: its bytes come in once, as they stand in the file or the cache, and its 4352 normalised bytes go out
        once, in batches whose memory may be used again; copies between may stay in cache. Two operations a value
        normalise it; finding the value in its text is not counted. From a cache nothing is normalised, from one in
        memory no file is read.
        """
        cached = self.parameters.cache != "none"
        stored = COLUMNS * FORMS["binary" if cached else self.share.form].value_bytes
        return Work(
            items=self.parameters.records,
            item="record",
            flops=0.0 if cached else 2.0 * COLUMNS * self.largest_share,
            memory_bytes=float((stored + RECORD_BYTES) * self.largest_share),
            working_set_bytes=float(stored * self.largest_share),
            storage_bytes=0.0 if self.parameters.cache == "memory" else float(stored * self.largest_share),
            cold=self.parameters.page_cache == "cold",
        )

    def figures(self, step_s: float) -> list[Figure]:
        """What a training step waits, bytes delivered a second over all ranks, what was shuffled, the page cache."""
        rate = self.parameters.records * RECORD_BYTES / step_s
        figures = [
            Figure(name="delivered", value=rate, unit="B/s", better="higher"),
            Figure(name="shuffled", value="all records" if self.comm.size == 1 else "each rank's own shards"),
            Figure(name="page_cache", value=self._page_cache()),
            *self.reader.figures(),
        ]
        if self.parameters.fed_steps:
            fed = feed(self.reader, self.parameters.fed_steps, self.comm, self._generator(self.epoch))
            figures = [*fed.figures(), *figures]
        return figures

    def close(self) -> None:
        """End the reader's threads and processes."""
        self.reader.close()

    def _page_cache(self) -> str:
        resident = self._largest(self.resident_fraction)
        if self.parameters.page_cache == "warm":
            return "warm"
        if not self.dropped_by:
            return "not dropped: before_step was not called"
        return f"dropped by {self.dropped_by}, {100 * resident:.1f} % of the files still resident"

    def _generator(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.parameters.seed, self.comm.rank, epoch])

    def _largest(self, value: float) -> float:
        """The largest over all ranks."""
        return max(self.comm.allgather(float(value)))


def _read_independently(path: Path, form: Form) -> Any:
    """Raw records [records, 1088] in float64, by another road than any backend's."""
    if form == "binary":
        return np.fromfile(path, "<f4").reshape(-1, COLUMNS).astype(np.float64)
    # slow to import, and few need it
    import pandas

    return pandas.read_csv(path, header=None, dtype=np.float64).to_numpy()


_host_missing = cpu_only("its batches end in the CPU's memory")


_UNCACHED: dict[str, tuple[str, ...]] = {"cache": ("none",)}
_BINARY: dict[str, tuple[str, ...]] = {"form": ("binary",)}
_IN_MEMORY = {"cache": ("none", "memory"), **_BINARY}


def _backend(
    summary: str,
    reader: type[Reader],
    takes: dict[str, tuple[str, ...]],
    missing: Callable[[], str | None] = lambda: None,
) -> Backend:
    workload = partial(InputPipeline, reader)
    return Backend(summary, workload, lambda device: _host_missing(device) or missing(), takes=takes)


KERNEL = Kernel(
    name="input_pipeline",
    version=2,
    summary="strain records from files through decode, normalise and shuffle to batches",
    parameters=InputPipelineParameters,
    backends={
        "serial": _backend("record by record: read, decode, normalise", SerialReader, _UNCACHED),
        "parallel": _backend("whole files mapped over threads", ParallelReader, _UNCACHED),
        "optimised": _backend("compiled threads ahead of the consumer, from shards or a cache", OptimisedReader, {}),
        "memmap": _backend("batches gathered from memory maps by NumPy", MemmapReader, _UNCACHED | _BINARY),
        "dataloader": _backend("torch's DataLoader, fetching whole batches", DataLoaderReader, _IN_MEMORY),
        "dali": _backend("NVIDIA DALI on the CPU, fed with whole batches", DaliReader, _IN_MEMORY, dali_reader.missing),
        "tf.data": _backend("tf.data in an environment of its own", TfDataReader, _IN_MEMORY, tf_data_reader.missing),
    },
    reference="serial",
    scaling="strong: the same records over all ranks; weak: records and shards grow with the ranks",
    grow=grow,
    check=check,
)
