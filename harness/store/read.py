"""Reading thousands of records: quickly, never running code from them, and never losing a damaged one in silence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

import msgspec
from msgspec import Struct

from harness.case import Case
from harness.store.manifest import MANIFEST
from harness.store.record import SCHEMA, LaunchInfo, Stack, Status
from harness.store.write import runs_folder
from kernels.api import InputError, Work

# case id, stack key, repeat
RunKey = tuple[str, str, int]


class StoredCheck(Struct, frozen=True, gc=False):
    """A check as it comes back: JSON has no NaN, so an error that was not a number is None."""

    error: float | None
    tolerance: float | None

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the tolerance."""
        return self.error is not None and self.tolerance is not None and self.error <= self.tolerance


class StoredFigure(Struct, frozen=True, gc=False):
    """A figure of merit as it comes back; a value that was not a number is None."""

    name: str
    value: float | str | None
    unit: str = ""
    better: Literal["higher", "lower", "neither"] = "neither"


class Run(Struct, frozen=True, kw_only=True, gc=False):
    """What a table needs of a record. The environment and the warm-up are passed over, which makes reading quick.

    ``samples_s`` are those that count: what missed its window stays in the file.
    """

    schema: int
    run_id: str
    sweep: str
    case: Case
    stack: Stack
    launch: LaunchInfo
    status: Status
    message: str = ""
    samples_s: list[float] = []
    missed_window: list[int] = []
    check: StoredCheck | None = None
    figures: list[StoredFigure] = []
    work: Work | None = None
    limits: dict[str, float] = {}
    ended: str = ""


class WholeRun(Run, frozen=True, kw_only=True, gc=False):
    """A run and the circumstances that tell whether it may be compared. The environment stays JSON: many share one."""

    started: str = ""
    environment: msgspec.Raw = msgspec.Raw(b"null")


class _Environment(TypedDict, total=False):
    """What readers ask of an environment. Records of other versions may lack any of it, or have more."""

    hosts: list[Any]
    cpu: dict[str, Any]
    memory_bytes: Any
    gpus: list[Any]
    operating_system: Any
    python: Any
    libraries: dict[str, Any]
    mpi: dict[str, Any]
    code: dict[str, Any]
    variables: dict[str, Any]
    slurm: dict[str, Any]


R = TypeVar("R", bound=Run)


class Damage(Struct, frozen=True, kw_only=True):
    """A file that is no record of ours: where, what was found there, and what would be right."""

    path: Path
    place: str
    found: str
    right: str

    def __str__(self) -> str:
        return f"{self.path}: {self.place}: found {self.found}; right would be {self.right}"


class _Versions(Struct, frozen=True):
    schema: int


class _CaseKey(Struct, frozen=True, gc=False):
    id: str
    kernel_version: int


class _RunKey(Struct, frozen=True, gc=False):
    """The few fields that tell whether a run is done; the decoder passes over the samples."""

    schema: int
    case: _CaseKey
    stack: Stack
    launch: LaunchInfo
    status: Status


_RUN_KEY = msgspec.json.Decoder(_RunKey)


def sweep_names(results: Path) -> list[str]:
    """The sweeps of a results folder, by name; raises `InputError` when it holds none."""
    folder = results / "runs"
    if not folder.is_dir():
        raise InputError(f"{folder}: not found; right would be a results folder: `scalemark sweep` makes one")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def read_runs(folder: Path) -> tuple[list[Run], list[Damage]]:
    """Every record under ``folder`` (a sweep's, a case's, or any other), in the order of paths.

    A file that cannot be read as a record is skipped and told as `Damage`. Raises `InputError` when ``folder`` is
    none. Hidden files, which writers have not renamed yet, and manifests are no records.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not found; right would be a folder of records")
    runs: list[Run] = []
    damages: list[Damage] = []
    for found in scan_runs(folder, Run):
        if isinstance(found, Damage):
            damages.append(found)
        else:
            runs.append(found)
    return runs, damages


def scan_runs(folder: Path, type_: type[R]) -> Iterator[R | Damage]:
    """Every record under ``folder`` as ``type_``, one at a time, in path order; `Damage` where a file is none."""
    decoder = msgspec.json.Decoder(type_)
    for path in record_paths(folder):
        found = _read(path, decoder)
        yield found if isinstance(found, Damage) else check_samples(found, path)


def check_samples(run: R, path: Path | str) -> R | Damage:
    """The run with the samples that count, or `Damage` when it calls itself finished and has nothing to show for it."""
    if run.missed_window:
        missed = set(run.missed_window)
        counted_s = [sample_s for place, sample_s in enumerate(run.samples_s) if place not in missed]
        run = msgspec.structs.replace(run, samples_s=counted_s)
    if run.status == "ok" and not run.samples_s:
        return Damage(path=Path(path), place="samples_s", found="none that counts with status ok", right="a sample")
    return run


def decode_environment(content: msgspec.Raw | bytes) -> dict[str, Any]:
    """The environment of a `WholeRun`; empty when the record has none, or something else in its place."""
    try:
        found = msgspec.json.decode(content, type=_Environment | None)
    except msgspec.DecodeError:
        return {}
    return dict(found or {})


def newest(runs: Iterable[R]) -> list[R]:
    """Of each case, stack and repeat the newest ``ok`` run, else the newest unfinished one."""
    best: dict[RunKey, R] = {}
    for run in runs:
        key = (run.case.id, run.stack.key, run.launch.repeat)
        if key not in best or _precedence(run) > _precedence(best[key]):
            best[key] = run
    return list(best.values())


def finished(results: Path, sweep_name: str, cases: Iterable[Case]) -> set[RunKey]:
    """Every run of ``cases`` that need not be done again.

    A record counts when its status is ``ok`` and its kernel version is the one the case asks for.
    """
    return {
        (run.case.id, run.stack.key, run.launch.repeat)
        for case, run in _runs_of(results, sweep_name, cases)
        if run.status == "ok" and run.case.kernel_version == case.kernel_version
    }


def attempted(results: Path, sweep_name: str, cases: Iterable[Case], allocation: str) -> set[RunKey]:
    """Every run of ``cases`` that has a record, good or bad, from one batch job, or a good one from anywhere."""
    cases = list(cases)
    from_job = {
        (run.case.id, run.stack.key, run.launch.repeat)
        for _, run in _runs_of(results, sweep_name, cases)
        if run.launch.allocation == allocation
    }
    return from_job | finished(results, sweep_name, cases)


def _runs_of(results: Path, sweep_name: str, cases: Iterable[Case]) -> Iterator[tuple[Case, _RunKey]]:
    for case in {case.id: case for case in cases}.values():
        folder = runs_folder(results, sweep_name) / case.id
        for path in record_paths(folder) if folder.is_dir() else ():
            run = _read(path, _RUN_KEY)
            if isinstance(run, _RunKey) and run.case.id == case.id:
                yield case, run


def next_repeat(results: Path, sweep_name: str, case_id: str) -> int:
    """One more than the highest repeat that a case has a record of, whatever came of it; 0 when it has none."""
    folder = runs_folder(results, sweep_name) / case_id
    found = [_read(path, _RUN_KEY) for path in record_paths(folder)] if folder.is_dir() else []
    return max((run.launch.repeat + 1 for run in found if isinstance(run, _RunKey)), default=0)


def _precedence(run: Run) -> tuple[bool, str, str]:
    return run.status == "ok", run.ended, run.run_id


def record_paths(folder: Path | str) -> Iterator[str]:
    """The files under ``folder`` that are records by their names, in order."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from record_paths(entry.path)
        elif entry.name.endswith(".json") and entry.name != MANIFEST:
            yield entry.path


def _read(path: str, decoder: msgspec.json.Decoder) -> Any:
    """The decoded record, or `Damage`."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        return Damage(path=Path(path), place="file", found=error.strerror or str(error), right="a readable file")
    return decode_record(content, path, decoder)


def decode_record(content: bytes, path: Path | str, decoder: msgspec.json.Decoder) -> Any:
    """The record in ``content``, decoded, or `Damage` that names ``path``."""
    try:
        found = decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _diagnose(Path(path), content, error)
    return found if found.schema <= SCHEMA else _too_new(Path(path), found.schema)


def _diagnose(path: Path, content: bytes, error: Exception) -> Damage:
    if isinstance(error, msgspec.ValidationError):
        try:
            schema = msgspec.json.decode(content, type=_Versions).schema
        except msgspec.ValidationError:
            return Damage(path=path, place="schema", found="none", right="a record, which names its schema")
        if schema > SCHEMA:
            return _too_new(path, schema)
        reason, _, place = str(error).partition(" - at `$.")
        wanted, _, found = reason.removeprefix("Expected ").partition(", got ")
        return Damage(
            path=path,
            place=place.rstrip("`") or "top level",
            found=found or reason[:1].lower() + reason[1:],
            right=wanted if found else f"a record of schema {SCHEMA}",
        )
    if "truncated" in str(error):
        return Damage(path=path, place=f"byte {len(content)}", found="the end of a cut file", right="a whole record")
    return Damage(path=path, place="content", found=str(error), right="a record in JSON")


def _too_new(path: Path, schema: int) -> Damage:
    return Damage(
        path=path, place="schema", found=str(schema), right=f"at most {SCHEMA}: a newer scalemark reads this record"
    )
