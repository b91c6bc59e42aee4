"""Kernel ``input_pipeline``: from strain records on a file system to shuffled, normalised batches.

One step is one epoch: every rank reads its own shards, decodes, standardises the 1080 strains, scales the 8 labels to
[0, 1] and hands shuffled batches over. The backends add one improvement after the other to a plain loop; torch's
DataLoader is their peer. All read binary shards, so none gains from leaving text behind.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from kernels.api import Backend, Check, Figure, InputError, Kernel, Parameters, Work, Workload, divide
from kernels.data import page_cache
from kernels.data.readers import (
    CachedReader,
    DataLoaderReader,
    Options,
    ParallelReader,
    PrefetchReader,
    Reader,
    Rows,
    SerialReader,
    Share,
    shuffle,
)
from kernels.data.records import (
    COLUMNS,
    RECORD_BYTES,
    Dataset,
    default_folder,
    ensure_dataset,
    open_dataset,
    read_shard,
)


class InputPipelineParameters(Parameters, frozen=True):
    """The data set, how it is cut into batches, and how it is read."""

    records: Annotated[int, Meta(ge=1, description="records of an epoch, over all ranks")] = 16384
    shards: Annotated[int, Meta(ge=1, description="files that hold them; ranks read disjoint ones")] = 16
    batch: Annotated[int, Meta(ge=1, description="records in a batch of one rank")] = 1024
    reader_threads: Annotated[
        int, Meta(ge=1, description="reader threads of a rank; worker processes that dataloader tries")
    ] = 2
    prefetch_batches: Annotated[int, Meta(ge=0, description="batches made ahead of the consumer")] = 4
    cache: Annotated[
        Literal["cold", "warm"], Meta(description="cold: the page cache is dropped before every epoch, untimed")
    ] = "warm"
    seed: Annotated[int, Meta(ge=0, description="seed of the generated data set and of the shuffling")] = 0
    dataset: Annotated[str, Meta(description="folder of a data set; empty: generated on first use")] = ""


class InputPipeline(Workload):
    """One rank's share of an epoch, read by a `Reader` of the given kind."""

    def __init__(self, reader: type[Reader], parameters: InputPipelineParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.dataset = open_dataset(_find_dataset(parameters, comm))
        self.share = Share.of(self.dataset, divide(parameters.shards, comm.size, comm.rank))
        self.largest_share = max(comm.allgather(self.share.records))
        self.reader = reader(
            self.share,
            Options(
                parameters.batch, parameters.reader_threads, parameters.prefetch_batches, parameters.cache == "cold"
            ),
        )
        self.epoch = 0
        self.order: list[Rows] = []
        self.delivered = 0
        self.dropped_by = ""
        self.resident_fraction = 1.0

    def before_step(self) -> None:
        """For cold epochs, drop this rank's shards from the page cache and look whether they are out."""
        if self.parameters.cache == "cold":
            self.dropped_by = page_cache.drop(self.share.paths)
            self.resident_fraction = page_cache.resident_fraction(self.share.paths)

    def step(self) -> None:
        """One epoch in an order of its own."""
        generator = np.random.default_rng([self.parameters.seed, self.comm.rank, self.epoch])
        self.order = shuffle(self.share.records, self.parameters.batch, generator)
        self.delivered = sum(len(batch) for batch in self.reader.batches(self.order))
        self.epoch += 1

    def verify(self) -> Check:
        """Deliver the last epoch again and compare every batch with the raw shards normalised in float64.

        The error is the largest difference over all ranks, infinite unless every record came exactly once and in
        another order than that of the files. The tolerance allows four float32 roundings (of the mean, the
        difference, the scale, the product) of values as large as those that the difference is formed from.
        """
        raw = np.concatenate([read_shard(path) for path in self.share.paths])
        offset, scale = self.dataset.normalisation()
        order = np.concatenate(self.order)
        in_file_order = np.arange(len(raw))
        complete = self.delivered == len(raw) and np.array_equal(np.sort(order), in_file_order)
        # within a batch the records ascend, so one batch of all has no other order
        shuffled = len(self.order) == 1 or not np.array_equal(order, in_file_order)
        errors = [0.0 if complete and shuffled else np.inf]
        for rows, batch in zip(self.order, self.reader.batches(self.order), strict=True):
            expected = (raw[rows].astype(np.float64) - offset) * scale
            errors.append(np.abs(batch.numpy() - expected).max())
        tolerance = 4 * 2.0**-24 * np.max((np.abs(raw).max(axis=0) + np.abs(offset)) * scale)
        return Check(
            error=self._largest(np.nan_to_num(np.max(errors), nan=np.inf, posinf=np.inf)),
            tolerance=self._largest(tolerance),
            reference="raw shards normalised in float64",
        )

    def work(self) -> Work:
        """What any pipeline must do, counted per record of 1088 float32 values.

        Memory: its bytes come in once and its normalised values go out once, in batches whose memory may be used
        again; copies between may stay in cache. Two operations a value normalise it. ``cached`` reads no file and
        normalises nothing after its first epoch.
        """
        cached = isinstance(self.reader, CachedReader)
        return Work(
            items=self.parameters.records,
            item="record",
            flops=0.0 if cached else 2.0 * COLUMNS * self.largest_share,
            memory_bytes=2.0 * RECORD_BYTES * self.largest_share,
            working_set_bytes=float(RECORD_BYTES * self.largest_share),
            storage_bytes=0.0 if cached else float(RECORD_BYTES * self.largest_share),
            cold=self.parameters.cache == "cold",
        )

    def figures(self, step_s: float) -> list[Figure]:
        """Bytes of records delivered a second over all ranks, and the state of the page cache before an epoch."""
        rate = self.parameters.records * RECORD_BYTES / step_s
        figures = [
            Figure(name="delivered", value=rate, unit="B/s", better="higher"),
            Figure(name="page_cache", value=self._page_cache()),
        ]
        if isinstance(self.reader, DataLoaderReader):
            figures.append(Figure(name="workers", value=self.reader.workers))
        return figures

    def close(self) -> None:
        """End the reader's threads and processes."""
        self.reader.close()

    def _page_cache(self) -> str:
        resident = self._largest(self.resident_fraction)
        if self.parameters.cache == "warm":
            return "warm"
        if not self.dropped_by:
            return "not dropped: before_step was not called"
        return f"dropped by {self.dropped_by}, {100 * resident:.1f} % of the shards still resident"

    def _largest(self, value: float) -> float:
        """The largest over all ranks."""
        return max(self.comm.allgather(float(value)))


def _find_dataset(parameters: InputPipelineParameters, comm: Any) -> Path:
    """The folder to read; rank 0 generates the default one while the others wait, and all raise its `InputError`."""
    if parameters.dataset:
        return Path(parameters.dataset)
    found: Path | InputError | None = None
    if comm.rank == 0:
        try:
            found = ensure_dataset(parameters.records, parameters.shards, parameters.seed)
        except InputError as error:
            found = error
    found = comm.bcast(found)
    if isinstance(found, InputError):
        raise found
    return found


def _grow(parameters: InputPipelineParameters, ranks: int) -> InputPipelineParameters:
    return msgspec.structs.replace(parameters, records=parameters.records * ranks, shards=parameters.shards * ranks)


def _check(parameters: InputPipelineParameters, ranks: int) -> None:
    place = "kernel input_pipeline"
    if parameters.shards < ranks:
        raise InputError(f"{place}: shards: found {parameters.shards} for {ranks} ranks; every rank wants at least one")
    if parameters.shards > parameters.records:
        raise InputError(f"{place}: shards: found {parameters.shards} of {parameters.records} records; at most as many")
    if parameters.batch * ranks > parameters.records:
        raise InputError(
            f"{place}: batch: found {parameters.batch} on {ranks} ranks of {parameters.records} records; "
            f"at most {parameters.records // ranks}"
        )
    if parameters.dataset:
        _check_counts(parameters, open_dataset(Path(parameters.dataset)))
    else:
        folder = default_folder(parameters.records, parameters.shards, parameters.seed)
        if folder.exists():
            open_dataset(folder)


def _check_counts(parameters: InputPipelineParameters, dataset: Dataset) -> None:
    found = (dataset.records, len(dataset.shard_paths))
    if found != (parameters.records, parameters.shards):
        raise InputError(
            f"data set {dataset.folder}: holds {found[0]} records in {found[1]} shards, asked for were "
            f"{parameters.records} in {parameters.shards}; set records={found[0]} and shards={found[1]}"
        )


def _host_only(device: str) -> str | None:
    return None if device == "cpu" else "its batches end in host memory: ask for the device cpu"


def _backend(summary: str, reader: type[Reader]) -> Backend:
    return Backend(summary, partial(InputPipeline, reader), _host_only)


KERNEL = Kernel(
    name="input_pipeline",
    version=1,
    summary="strain records from files through decode, normalise and shuffle to batches",
    parameters=InputPipelineParameters,
    backends={
        "serial": _backend("record by record: read, decode, normalise", SerialReader),
        "parallel": _backend("whole files mapped over threads", ParallelReader),
        "prefetch": _backend("batches gathered from memory maps by threads, ahead of the consumer", PrefetchReader),
        "cached": _backend("normalised records kept in memory after the first epoch", CachedReader),
        "dataloader": _backend("torch's DataLoader fetching whole batches from memory maps", DataLoaderReader),
    },
    reference="serial",
    scaling="strong: the same records over all ranks; weak: records and shards grow with the ranks",
    grow=_grow,
    check=_check,
)
