"""Packing: many records in one Parquet file, byte for byte what they were, so that nothing is lost on the way.

A packed file has one row a record. Columns that people ask for (kernel, status, samples) are typed; ``record`` holds
all else as the JSON it was, but for ``environment``, which thousands of records share, and the ranks' own times, which
few readers want. Reading it never runs code. The sweeps' manifests travel in the file's metadata.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.case import Sweep
from harness.store.decode import Damage, decode_record, read_content
from harness.store.read import R, Run, check_samples, record_paths, sweep_folder
from harness.store.record import SCHEMA
from kernels.api import InputError

if TYPE_CHECKING:
    import pyarrow

SUFFIX = ".parquet"
_FORMAT_KEY, _MANIFESTS_KEY = b"scalemark.format", b"scalemark.manifests"
_FORMAT = b"1"
_LISTS = ("samples_s", "warmup_s", "rank_median_s")
# JSON that stands apart because few readers want it; a file of old may lack it
_APART = ("environment", "rank_samples_s")
_WORDS = ("sweep", "case_id", "kernel", "backend", "stack", "status", "run_id")
# records held in memory at a time, and rows of a row group
_BATCH = 4096

_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERS = msgspec.json.Decoder(list[float])
_RANKS = msgspec.json.Decoder(list[list[float]])
_MANIFESTS = msgspec.json.Decoder(dict[str, Sweep])


def write_pack(results: Path, manifests: dict[str, Sweep], target: Path) -> tuple[int, int, list[Damage]]:
    """Pack the records of the sweeps of a results folder; returns records, samples, and what was skipped as damaged.

    Raises `InputError` when pyarrow is missing or the target cannot be written.
    """
    arrow, parquet = _pyarrow()
    schema = _schema(arrow, manifests)
    temporary = target.with_name(f".{target.name}.tmp")
    records = samples = 0
    damages: list[Damage] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for rows in _batches(results, manifests, damages):
                batch = arrow.RecordBatch.from_pylist(rows, schema=schema)
                writer.write_batch(batch)
                records += len(rows)
                samples += sum(len(row["samples_s"]) for row in rows)
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"{target}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return records, samples, damages


def read_manifests(path: Path) -> dict[str, Sweep]:
    """The manifests of the sweeps in a packed file, by name; raises `InputError` when it is none of ours."""
    metadata = _open(path).schema_arrow.metadata or {}
    found = metadata.get(_FORMAT_KEY)
    if found != _FORMAT:
        version = "none" if found is None else found.decode(errors="replace")
        raise InputError(
            f"{path}: scalemark.format: found {version}; right would be {_FORMAT.decode()}, from `scalemark pack`"
        )
    try:
        return _MANIFESTS.decode(metadata.get(_MANIFESTS_KEY, b"{}"))
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: scalemark.manifests: found {error}; right would be sweeps' manifests") from error


def scan_pack(path: Path, sweep: str, type_: type[R]) -> Iterator[R | Damage]:
    """Every record of a sweep in a packed file as ``type_``, in the order of packing; `Damage` where a row is none."""
    arrow, _ = _pyarrow()
    decoder = msgspec.json.Decoder(type_)
    columns = ["sweep", "case_id", "run_id", "record", "samples_s"]
    wanted = {field.name for field in msgspec.structs.fields(type_)}
    try:
        file = _open(path)
        columns += [
            name for name in (*_APART, "warmup_s", "rank_median_s") if name in wanted & {*file.schema_arrow.names}
        ]
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
            chosen = batch.filter(arrow.compute.equal(batch.column("sweep"), sweep))
            for row in _rows(chosen):
                yield _decode_row(row, path, decoder)
    except (arrow.ArrowException, UnicodeDecodeError, OSError) as error:
        line = str(error).splitlines()[0]
        yield Damage(path=path, place="content", found=line, right="a whole packed file")


def _decode_row(row: dict[str, Any], path: Path, decoder: msgspec.json.Decoder[R]) -> R | Damage:
    place = f"{path}/{row.pop('sweep')}/{row.pop('case_id')}/{row.pop('run_id')}"
    run = decode_record(row.pop("record").encode(), place, decoder)
    if isinstance(run, Damage):
        return run
    environment, ranks = (row.pop(name, None) for name in _APART)
    if environment is not None:
        row["environment"] = msgspec.Raw(environment.encode())
    if ranks is not None:
        try:
            row["rank_samples_s"] = _RANKS.decode(ranks)
        except msgspec.DecodeError as error:
            return Damage(path=Path(place), place="rank_samples_s", found=str(error), right="lists of seconds")
    for name, value in row.items():
        # the struct was made in this very function, nobody has seen it yet
        msgspec.structs.force_setattr(run, name, value)
    return check_samples(run, place)


def _rows(batch: pyarrow.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch as dictionaries; lists of numbers by slices of their one array, which is quick."""
    columns = {}
    for name in batch.schema.names:
        column = batch.column(name)
        if name in _LISTS:
            values, ends = column.flatten().to_numpy(), column.value_lengths().to_numpy().cumsum()
            columns[name] = [
                values[end - size : end].tolist()
                for end, size in zip(ends, column.value_lengths().to_numpy(), strict=True)
            ]
        else:
            columns[name] = column.to_pylist()
    for values_of_row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values_of_row, strict=True))


def _batches(results: Path, manifests: dict[str, Sweep], damages: list[Damage]) -> Iterator[list[dict[str, Any]]]:
    decoder = msgspec.json.Decoder(Run)
    rows: list[dict[str, Any]] = []
    folders = [sweep_folder(results, sweep) for sweep in manifests]
    for folder in folders:
        for name in record_paths(folder, damages):
            row = _pack_row(Path(name), decoder)
            if isinstance(row, Damage):
                damages.append(row)
                continue
            rows.append(row)
            if len(rows) == _BATCH:
                yield rows
                rows = []
    if rows:
        yield rows


def _pack_row(path: Path, decoder: msgspec.json.Decoder[Run]) -> dict[str, Any] | Damage:
    content = read_content(path)
    if isinstance(content, Damage):
        return content
    run = decode_record(content, path, decoder)
    if not isinstance(run, Damage):
        run = check_samples(run, path)
    if isinstance(run, Damage):
        return run
    parts = _PARTS.decode(content)
    try:
        lists = {name: _NUMBERS.decode(parts.pop(name, b"[]")) for name in _LISTS}
    except msgspec.ValidationError as error:
        return Damage(path=path, place=", ".join(_LISTS[1:]), found=str(error), right="lists of seconds")
    apart = {name: parts.pop(name, None) for name in _APART}
    rest = b",".join(msgspec.json.encode(name) + b":" + bytes(value) for name, value in parts.items())
    return {
        "sweep": run.sweep,
        "case_id": run.case.id,
        "kernel": run.case.kernel,
        "backend": run.case.backend,
        "stack": run.stack.key,
        "status": run.status,
        "run_id": run.run_id,
        **lists,
        **{name: None if value is None else bytes(value).decode() for name, value in apart.items()},
        "record": (b"{" + rest + b"}").decode(),
    }


def _schema(arrow: Any, manifests: dict[str, Sweep]) -> pyarrow.Schema:
    fields = [(name, arrow.string()) for name in _WORDS]
    fields += [(name, arrow.list_(arrow.float64())) for name in _LISTS]
    fields += [(name, arrow.string()) for name in (*_APART, "record")]
    return arrow.schema(
        fields,
        metadata={
            _FORMAT_KEY: _FORMAT,
            b"scalemark.schema": str(SCHEMA).encode(),
            _MANIFESTS_KEY: msgspec.json.encode(manifests),
        },
    )


def _open(path: Path) -> Any:
    arrow, parquet = _pyarrow()
    try:
        return parquet.ParquetFile(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except arrow.ArrowException as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{path}: not a Parquet file: {line}; right would be one that `scalemark pack` wrote"
        ) from error


@functools.cache
def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("packed files need pyarrow: pip install 'scalemark[report]'") from error
    return pyarrow, pyarrow.parquet
