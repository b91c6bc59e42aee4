"""Generating a data set of strain records: its shards, their statistics, and a manifest once all is whole.

A data set grows in ``FOLDER.unfinished`` and is renamed when it is whole: a folder that is there is whole unless
somebody damaged it later. Another call takes up a generation that was killed, and makes damaged shards anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kernels.api import InputError
from kernels.data.dataset import Statistics
from kernels.data.files import write_file, write_manifest
from kernels.data.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    STATISTICS_NAME,
    STATISTICS_TYPE,
    VALUE_TYPE,
    FileEntry,
    Manifest,
    read_manifest,
)
from kernels.data.shards import Plan, Shard, ensure_shard, finished_records
from kernels.material.tensile import LABEL_RANGES, RECORD_SHAPE

# records done, and all records
Progress = Callable[[int, int], None]


def generate(
    folder: Path, records: int, shards: int, seed: int, progress: Progress | None = None, comm: Any = None
) -> list[str]:
    """Simulate ``records`` records into ``folder``, with all ranks of ``comm`` (mpi4py), or all cores of this process.

    Shards that are there and whole are kept, in an unfinished data set and in a finished one. Returns a line for every
    damaged one, which has been made anew. The cards depend on the arguments and `GENERATOR_VERSION` alone, and so do
    the bytes as far as processors round products and sums alike. Processes that generate the same data set at once
    take up each other's shards. Raises `InputError` for a place that cannot be written or holds another data set, for
    more shards than records and for a negative seed; with ``comm`` on all ranks.
    """
    if not (1 <= shards <= records and seed >= 0):
        raise InputError(
            f"data set of {records} records in {shards} shards, seed {seed}: "
            "every shard wants a record and a seed is not negative"
        )
    plan = Plan(records, shards, seed)
    rank, ranks = (comm.rank, comm.size) if comm else (0, 1)
    made: dict[int, Shard] | InputError = {}
    try:
        place, entries = _place(folder, plan)
        share = range(rank, shards, ranks)
        with _writing(folder):
            made = _make_shards(place, entries, plan, share, progress if rank == 0 else None, ranks)
    except InputError as error:
        made = error
    parts: list[Any] = comm.allgather(made) if comm else [made]
    for part in parts:
        if isinstance(part, InputError):
            raise part
    everything: dict[int, Shard] = {shard: found for part in parts for shard, found in part.items()}
    failure = None
    if rank == 0 and len(everything) == shards:
        try:
            with _writing(folder):
                _finish(place, folder, plan, [everything[shard] for shard in range(shards)])
        except InputError as error:
            failure = error
    if failure := comm.bcast(failure) if comm else failure:
        raise failure
    return [found.damage for _, found in sorted(everything.items()) if found.damage]


def _make_shards(
    place: Path, entries: dict[int, FileEntry], plan: Plan, share: range, progress: Progress | None, ranks: int
) -> dict[int, Shard]:
    """The shards of a share, finished."""
    made: dict[int, Shard] = {}
    place.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)) // ranks)) as pool:
        shards = pool.map(lambda shard: ensure_shard(place, plan, shard, entries.get(shard)), share)
        for shard, found in zip(share, shards, strict=True):
            made[shard] = found
            if progress:
                own = sum(part.entry.records for part in made.values())
                progress(finished_records(place, plan) if ranks > 1 else own, plan.records)
    return made


def _place(folder: Path, plan: Plan) -> tuple[Path, dict[int, FileEntry]]:
    """Where to write, and the entries of the manifest where there is one; raises `InputError` for another data set."""
    if not folder.exists():
        return folder.with_name(f"{folder.name}.unfinished"), {}
    manifest = read_manifest(folder / MANIFEST_NAME)
    if (found := Plan.of(manifest)) != plan or manifest.form != "binary":
        raise InputError(f"data set {folder}: holds {found}, asked for were {plan}; name another folder")
    return folder, dict(enumerate(manifest.shards))


def _finish(place: Path, folder: Path, plan: Plan, made: list[Shard]) -> None:
    """Write statistics and manifest, delete the tickets, and rename what is whole."""
    if place != folder and folder.exists():
        # another process was first, with the same bytes
        shutil.rmtree(place, ignore_errors=True)
        return
    statistics = np.stack(_merge_moments(made)).astype(STATISTICS_TYPE)
    manifest = Manifest(
        schema=SCHEMA,
        generator_version=plan.generator_version,
        seed=plan.seed,
        records=plan.records,
        feature_shape=RECORD_SHAPE,
        value_type=VALUE_TYPE.str,
        label_ranges=LABEL_RANGES,
        shards=[shard.entry for shard in made],
        statistics=write_file(place / STATISTICS_NAME, statistics.tobytes()),
    )
    write_manifest(place, manifest)
    for shard in made:
        (place / shard.entry.name).with_suffix(".json").unlink(missing_ok=True)
    if place != folder:
        place.rename(folder)


def _merge_moments(made: list[Shard]) -> Statistics:
    """Mean and deviation over all shards: the variance within them plus that of their means."""
    counts = [shard.entry.records for shard in made]
    mean = np.average([shard.moments.mean for shard in made], axis=0, weights=counts)
    within = np.average([shard.moments.deviation for shard in made], axis=0, weights=counts)
    between = np.average([(shard.moments.mean - mean) ** 2 for shard in made], axis=0, weights=counts)
    return Statistics(mean, np.sqrt(within + between))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if (folder / MANIFEST_NAME).is_file() and isinstance(error, FileNotFoundError):
            # another process has finished the data set and renamed what this one was writing to
            return
        raise InputError(
            f"data set {folder}: cannot be written, {error.filename}: {error.strerror}; "
            "SCALEMARK_DATA can name another place"
        ) from error
