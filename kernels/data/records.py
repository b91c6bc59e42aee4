"""Strain records on disk: a folder of binary shards, their statistics and a manifest.

A record is 1080 float32 strains and 8 float32 labels, little-endian, 4352 bytes, without padding; a shard is whole
records one after the other, without a header. The manifest (JSON) is written last and the folder renamed into place
complete, so a folder that has one is whole unless somebody damaged it later. Generate or verify one with::

    python -m kernels.data.records --help
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from kernels.api import InputError, divide
from kernels.material.tensile import FEATURES, LABEL_RANGES, RECORD_SHAPE, draw_cards, simulate

SCHEMA = "scalemark.strain-records/1"
# rises whenever the same parameters would give other records
GENERATOR_VERSION = 1

LABELS = len(LABEL_RANGES)
COLUMNS = FEATURES + LABELS
VALUE_TYPE = np.dtype("<f4")
RECORD_BYTES = COLUMNS * VALUE_TYPE.itemsize

MANIFEST_NAME = "manifest.json"
STATISTICS_NAME = "statistics.bin"
_STATISTICS_TYPE = np.dtype("<f8")
# small enough that the simulation's arrays stay in a core's cache
_SIMULATED_TOGETHER = 512

Floats = NDArray[np.float32]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the data set; ``records`` is 0 for the statistics."""

    name: str
    bytes: int
    sha256: str
    records: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the folder holds. ``label_ranges`` has the lowest and highest value of every label, in column order."""

    schema: str
    generator_version: int
    seed: int
    records: Annotated[int, Meta(ge=1)]
    feature_shape: tuple[int, ...]
    value_type: str
    label_ranges: dict[str, tuple[float, float]]
    shards: Annotated[list[FileEntry], Meta(min_length=1)]
    statistics: FileEntry


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
                values[low - start : high - start] = read_shard(path, low - first, high - low)
            first += held
        return np.ascontiguousarray(values[:, :FEATURES]), np.ascontiguousarray(values[:, FEATURES:])

    def statistics(self) -> Statistics:
        """The mean and the standard deviation of every feature."""
        values = np.fromfile(self.folder / STATISTICS_NAME, _STATISTICS_TYPE).reshape(2, FEATURES)
        return Statistics(*values)

    def normalisation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Offset and scale, float64 [1088] each: (raw − offset)·scale has standardised features, labels in [0, 1]."""
        statistics = self.statistics()
        low, high = np.array(list(self.manifest.label_ranges.values())).T
        offset = np.concatenate([statistics.mean, low])
        return offset, 1 / np.concatenate([statistics.deviation, high - low])

    def verify_checksums(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Read every file and compare its SHA-256; raises `InputError`. ``progress`` is told (files done, of all)."""
        entries = [self.manifest.statistics, *self.manifest.shards]
        for done, entry in enumerate(entries, start=1):
            path = self.folder / entry.name
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != entry.sha256:
                raise InputError(f"{path}: SHA-256 {found[:12]}..., its manifest says {entry.sha256[:12]}...: damaged")
            if progress:
                progress(done, len(entries))


def read_shard(path: Path, start: int = 0, count: int = -1) -> Floats:
    """Raw records [count, 1088] of one shard, from its record ``start`` on; all that follow by default."""
    items = count * COLUMNS if count >= 0 else -1
    return np.fromfile(path, VALUE_TYPE, items, offset=start * RECORD_BYTES).reshape(-1, COLUMNS)


def read_records(folder: Path, start: int, count: int) -> tuple[Floats, Floats]:
    """Raw features [count, 1080] and labels [count, 8] of the data set in ``folder``; raises `InputError`."""
    return open_dataset(folder).read(start, count)


def open_dataset(folder: Path) -> Dataset:
    """The data set in ``folder``, its manifest and all file sizes checked (not the checksums); raises `InputError`."""
    if not folder.is_dir():
        raise InputError(f"data set {folder}: no such folder; make one with python -m kernels.data.records generate")
    manifest = _read_manifest(folder / MANIFEST_NAME)
    for entry in [manifest.statistics, *manifest.shards]:
        path = folder / entry.name
        if not path.is_file():
            raise InputError(f"{path}: missing; the manifest lists it with {entry.bytes} bytes")
        if (found := path.stat().st_size) != entry.bytes:
            raise InputError(f"{path}: found {found} bytes, the manifest says {entry.bytes}")
    return Dataset(folder, manifest)


def data_folder() -> Path:
    """Where data sets lie that nobody has named: $SCALEMARK_DATA, else ``results/data`` of the working directory."""
    return Path(os.environ.get("SCALEMARK_DATA") or Path("results", "data"))


def default_folder(records: int, shards: int, seed: int) -> Path:
    """Where `ensure_dataset` keeps it, in `data_folder`."""
    return data_folder() / f"strain-v{GENERATOR_VERSION}-{records}-records-{shards}-shards-seed-{seed}"


def ensure_dataset(records: int, shards: int, seed: int, progress: Callable[[int, int], None] | None = None) -> Path:
    """The folder of the data set of these parameters, generated on first use.

    What is there already is opened, never overwritten: a damaged folder raises `InputError`. Processes that
    generate the same one at once each write a folder of their own; the first to finish renames it into place.
    ``progress`` is told (records done, of all).
    """
    folder = default_folder(records, shards, seed)
    if not folder.exists():
        generate(folder, records, shards, seed, progress)
    try:
        open_dataset(folder)
    except InputError as error:
        raise InputError(f"{error}; delete {folder} to have it generated again") from error
    return folder


def generate(
    folder: Path, records: int, shards: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> None:
    """Simulate ``records`` records into ``folder``, which must not exist yet, using every core of this process.

    The cards depend on the arguments and `GENERATOR_VERSION` alone, since every shard draws from its own stream of
    ``seed``; so do the bytes as far as NumPy's power function rounds alike. Raises `InputError` for a place that
    cannot be written, for more shards than records and for a negative seed.
    """
    if not (1 <= shards <= records and seed >= 0):
        raise InputError(
            f"data set of {records} records in {shards} shards, seed {seed}: "
            "every shard wants a record and a seed is not negative"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # ends with its content gone when anything fails, and when another process was first
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as unfinished:
            _fill(Path(unfinished, "complete"), records, shards, seed, progress)
            _rename_into_place(Path(unfinished, "complete"), folder)
    except OSError as error:
        raise InputError(
            f"data set {folder}: cannot be written, {error.filename}: {error.strerror}; "
            "SCALEMARK_DATA can name another place"
        ) from error


def _fill(folder: Path, records: int, shards: int, seed: int, progress: Callable[[int, int], None] | None) -> None:
    folder.mkdir()
    streams = np.random.SeedSequence(seed).spawn(shards)
    counts = [len(divide(records, shards, shard)) for shard in range(shards)]
    names = [f"shard-{shard:05d}.bin" for shard in range(shards)]
    entries, moments = [], []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        paths = (folder / name for name in names)
        for entry, shard_moments in pool.map(_write_shard, paths, counts, streams):
            entries.append(entry)
            moments.append(shard_moments)
            if progress:
                progress(sum(done.records for done in entries), records)
    statistics = np.stack(_merge_moments(counts, moments)).astype(_STATISTICS_TYPE)
    manifest = Manifest(
        schema=SCHEMA,
        generator_version=GENERATOR_VERSION,
        seed=seed,
        records=records,
        feature_shape=RECORD_SHAPE,
        value_type=VALUE_TYPE.str,
        label_ranges=LABEL_RANGES,
        shards=entries,
        statistics=_write(folder / STATISTICS_NAME, statistics.tobytes()),
    )
    _write(folder / MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def _write_shard(path: Path, count: int, stream: np.random.SeedSequence) -> tuple[FileEntry, Statistics]:
    """Simulate and write one shard; its entry, and the mean and variance of its features."""
    cards = draw_cards(count, np.random.default_rng(stream))
    values = np.empty((count, COLUMNS), VALUE_TYPE)
    values[:, FEATURES:] = cards
    for start in range(0, count, _SIMULATED_TOGETHER):
        part = slice(start, start + _SIMULATED_TOGETHER)
        values[part, :FEATURES] = simulate(cards[part])
    features = values[:, :FEATURES]
    moments = Statistics(features.mean(axis=0, dtype=np.float64), features.var(axis=0, dtype=np.float64))
    return _write(path, values.tobytes(), count), moments


def _merge_moments(counts: list[int], moments: list[Statistics]) -> Statistics:
    """Mean and deviation over all shards: the variance within them plus that of their means."""
    mean = np.average([part.mean for part in moments], axis=0, weights=counts)
    within = np.average([part.deviation for part in moments], axis=0, weights=counts)
    between = np.average([(part.mean - mean) ** 2 for part in moments], axis=0, weights=counts)
    return Statistics(mean, np.sqrt(within + between))


def _write(path: Path, content: bytes, records: int = 0) -> FileEntry:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return FileEntry(path.name, len(content), hashlib.sha256(content).hexdigest(), records)


def _rename_into_place(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        # another process was first, with the same bytes
        if not (folder / MANIFEST_NAME).is_file():
            raise


def _read_manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise InputError(f"{path}: missing; a data set is a folder of shards with its {MANIFEST_NAME}")
    content = path.read_bytes()
    try:
        schema = msgspec.json.decode(content).get("schema")
        if schema != SCHEMA:
            raise InputError(f"{path}: found schema {schema!r}, right would be {SCHEMA!r}")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, AttributeError) as error:
        raise InputError(f"{path}: not a manifest of strain records: {error}") from error
    _check_layout(path, manifest)
    return manifest


def _check_layout(path: Path, manifest: Manifest) -> None:
    found = (manifest.feature_shape, manifest.value_type, len(manifest.label_ranges), manifest.statistics.bytes)
    right = (RECORD_SHAPE, VALUE_TYPE.str, LABELS, 2 * FEATURES * _STATISTICS_TYPE.itemsize)
    if found != right:
        raise InputError(f"{path}: found shape, type, labels and bytes of statistics {found}, right would be {right}")
    held = sum(entry.records for entry in manifest.shards)
    if held != manifest.records:
        raise InputError(f"{path}: found {held} records in its shards and {manifest.records} in all; they must agree")
    for entry in manifest.shards:
        if entry.bytes != entry.records * RECORD_BYTES:
            right_bytes = entry.records * RECORD_BYTES
            raise InputError(
                f"{path}: {entry.name}: found {entry.bytes} bytes, {entry.records} records are {right_bytes}"
            )


def _show(unit: str) -> Callable[[int, int], None]:
    """One moving line on a terminal, ten lines in a log."""
    terminal = sys.stderr.isatty()
    tenths = 0

    def progress(done: int, total: int) -> None:
        nonlocal tenths
        if terminal or 10 * done // total > tenths:
            end = "\r" if terminal and done < total else "\n"
            print(f"{done} of {total} {unit}", end=end, file=sys.stderr, flush=True)
            tenths = 10 * done // total

    return progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate or verify a data set; the exit code is 2 for one that is damaged or cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m kernels.data.records", description="Strain records on disk.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("generate", help="simulate a data set unless it exists; prints its folder")
    make.add_argument("--records", type=int, default=16384, help="records in all (%(default)s)")
    make.add_argument("--shards", type=int, default=16, help="files they are spread over (%(default)s)")
    make.add_argument("--seed", type=int, default=0, help="seed of the material cards (%(default)s)")
    check = commands.add_parser("verify", help="compare every file with the checksum in the manifest")
    check.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.command == "generate":
            print(ensure_dataset(options.records, options.shards, options.seed, _show("records")))
        else:
            open_dataset(options.folder).verify_checksums(_show("files"))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
