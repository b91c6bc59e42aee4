"""An opened data set of strain records: what it holds, its statistics and its checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.api import InputError
from kernels.data.manifest import (
    COLUMNS,
    FORMS,
    MANIFEST_NAME,
    STATISTICS_NAME,
    STATISTICS_TYPE,
    VALUE_TYPE,
    Floats,
    Form,
    Manifest,
    read_manifest,
)
from kernels.material.tensile import FEATURES


class Statistics(NamedTuple):
    """Of every feature over the whole data set, float64 [1080]; the deviation is the population's."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


class Dataset:
    """An opened data set: present, and of the sizes that its manifest says. Records are numbered across shards."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.records = manifest.records
        self.form = manifest.form
        self.shard_records = [entry.records for entry in manifest.shards]
        self.shard_paths = [folder / entry.name for entry in manifest.shards]

    def read(self, start: int, count: int) -> tuple[Floats, Floats]:
        """Features [count, 1080] and labels [count, 8], raw, from record ``start`` on; raises IndexError."""
        if not 0 <= start <= start + count <= self.records:
            raise IndexError(f"records {start} to {start + count} of a data set of {self.records}")
        values = np.empty((count, COLUMNS), VALUE_TYPE)
        first = 0
        for path, held in zip(self.shard_paths, self.shard_records, strict=True):
            low, high = max(start, first), min(start + count, first + held)
            if low < high:
                values[low - start : high - start] = read_shard(path, low - first, high - low, self.form)
            first += held
        return np.ascontiguousarray(values[:, :FEATURES]), np.ascontiguousarray(values[:, FEATURES:])

    def statistics(self) -> Statistics:
        """The mean and the standard deviation of every feature."""
        values = np.fromfile(self.folder / STATISTICS_NAME, STATISTICS_TYPE).reshape(2, FEATURES)
        return Statistics(*values)

    def normalisation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Offset and scale, float64 [1088] each: (raw − offset)·scale has standardised features, labels in [0, 1]."""
        statistics = self.statistics()
        low, high = np.array(list(self.manifest.label_ranges.values())).T
        offset = np.concatenate([statistics.mean, low])
        return offset, 1 / np.concatenate([statistics.deviation, high - low])

    def verify_checksums(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Read every file and compare its SHA-256; raises `InputError`, a line for each damaged file.

        ``progress`` is told (files done, of all).
        """
        entries = [self.manifest.statistics, *self.manifest.shards]
        damages = []
        for done, entry in enumerate(entries, start=1):
            path = self.folder / entry.name
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != entry.sha256:
                damages.append(f"{path}: SHA-256 {found[:12]}..., its manifest says {entry.sha256[:12]}...: damaged")
            if progress:
                progress(done, len(entries))
        if damages:
            raise InputError("\n".join(damages))


def read_shard(path: Path, start: int = 0, count: int = -1, form: Form = "binary") -> Floats:
    """Raw records [count, 1088] of one shard, from its record ``start`` on; all that follow by default."""
    record_bytes = COLUMNS * FORMS[form].value_bytes
    content = np.fromfile(path, np.uint8, max(-1, count * record_bytes), offset=start * record_bytes)
    if form == "binary":
        return content.view(VALUE_TYPE).reshape(-1, COLUMNS)
    # compiles
    from kernels.data.text import decode

    return decode(content.reshape(-1, record_bytes))


def open_dataset(folder: Path) -> Dataset:
    """The data set in ``folder``, its manifest and all file sizes checked (not the checksums); raises `InputError`."""
    if not folder.is_dir():
        raise InputError(f"data set {folder}: no such folder; make one with python -m kernels.data.records generate")
    manifest = read_manifest(folder / MANIFEST_NAME)
    for entry in [manifest.statistics, *manifest.shards]:
        path = folder / entry.name
        if not path.is_file():
            raise InputError(f"{path}: missing; the manifest lists it with {entry.bytes} bytes")
        if (found := path.stat().st_size) != entry.bytes:
            raise InputError(f"{path}: found {found} bytes, the manifest says {entry.bytes}")
    return Dataset(folder, manifest)
