"""Reading thousands of records: quickly, never running code from them, and never losing a damaged one in silence."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, TypeVar

import msgspec
from msgspec import Struct

from harness.case import Case, Synchronisation
from harness.store.decode import Damage, decode_file
from harness.store.manifest import MANIFEST
from harness.store.record import LaunchInfo, RowKey, Stack, Status, Timer
from harness.store.write import runs_folder
from kernels.api import InputError, Work
from kernels.explain import suggest


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
    synchronisation: Synchronisation = "barrier"
    missed_window: list[int] = []
    check: StoredCheck | None = None
    figures: list[StoredFigure] = []
    work: Work | None = None
    limits: dict[str, float] = {}
    timer: Timer | None = None
    ended: str = ""

    @property
    def row_key(self) -> RowKey:
        """What it shares with the other launches of its table row."""
        return self.sweep, self.case.id, self.stack.key, self.synchronisation, self.case.kernel_version


class WholeRun(Run, frozen=True, kw_only=True, gc=False):
    """A run and the circumstances that tell whether it may be compared. The environment stays JSON: many share one."""

    started: str = ""
    environment: msgspec.Raw = msgspec.Raw(b"null")


class _Environment(TypedDict, total=False):
    """What readers ask of an environment. Records of other versions may lack any of it, or have more."""

    hosts: list[str]
    cpu: dict[str, Any]
    memory_bytes: Any
    gpus: list[str]
    operating_system: Any
    python: Any
    libraries: dict[str, Any]
    mpi: dict[str, Any]
    code: dict[str, Any]
    variables: dict[str, Any]
    slurm: dict[str, Any]


R = TypeVar("R", bound=Run)


class _Ended(Protocol):
    """What tells which of two runs counts."""

    @property
    def run_id(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def ended(self) -> str: ...


E = TypeVar("E", bound=_Ended)


def sweep_names(results: Path) -> list[str]:
    """The sweeps of a results folder, by name; raises `InputError` when it holds none."""
    folder = results / "runs"
    if not folder.is_dir():
        raise InputError(f"{folder}: not found; right would be a results folder: `scalemark sweep` makes one")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def sweep_folder(results: Path, sweep: str) -> Path:
    """Where the records of a measured sweep lie; raises `InputError` naming those that exist when there are none."""
    folder = runs_folder(results, sweep)
    if not folder.is_dir():
        raise InputError(f"{folder}: not found among measured sweeps; {suggest(sweep, sweep_names(results))}")
    return folder


def read_runs(folder: Path) -> tuple[list[Run], list[Damage]]:
    """Every record under ``folder`` (a sweep's, a case's, or any other), in the order of paths.

    A file that cannot be read as a record is skipped and told as `Damage`. Raises `InputError` when ``folder`` is
    none. Hidden files, which writers have not renamed yet, and manifests are no records.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not found; right would be a folder of records")
    damages: list[Damage] = []
    return list(sound(scan_runs(folder, Run), damages)), damages


def scan_runs(folder: Path, type_: type[R]) -> Iterator[R | Damage]:
    """Every record under ``folder`` as ``type_``, one at a time, in path order; `Damage` where a file is none."""
    decoder = msgspec.json.Decoder(type_)
    unread: list[Damage] = []
    for path in record_paths(folder, unread):
        found = decode_file(path, decoder)
        if isinstance(found, WholeRun):
            # a view of the file would keep all of it in memory
            msgspec.structs.force_setattr(found, "environment", found.environment.copy())
        yield found if isinstance(found, Damage) else check_samples(found, path)
    yield from unread


def sound(found: Iterable[R | Damage], damages: list[Any]) -> Iterator[R]:
    """Of what a scan finds the records; every `Damage` is put to ``damages``."""
    for item in found:
        if isinstance(item, Damage):
            damages.append(item)
        else:
            yield item


def check_samples(run: R, path: Path | str) -> R | Damage:
    """The run with the samples that count, or `Damage` when it calls itself finished and has nothing to show for it."""
    if run.missed_window:
        missed = set(run.missed_window)
        counted_s = [sample_s for place, sample_s in enumerate(run.samples_s) if place not in missed]
        run = msgspec.structs.replace(run, samples_s=counted_s)
    if run.status == "ok" and not run.samples_s:
        return Damage(path=Path(path), place="samples_s", found="none that counts with status ok", right="a sample")
    if run.samples_s and (least_s := min(run.samples_s)) < 0:
        return Damage(path=Path(path), place="samples_s", found=f"{least_s:g}", right="seconds, never below 0")
    return run


def decode_environment(content: msgspec.Raw | bytes) -> dict[str, Any]:
    """The environment of a `WholeRun`; empty when the record has none, or something else in its place."""
    try:
        found = msgspec.json.decode(content, type=_Environment | None)
    except msgspec.DecodeError:
        return {}
    return dict(found or {})


def newest(runs: Iterable[R]) -> list[R]:
    """Of each case, stack, synchronisation and repeat the one run that counts."""
    return newest_of(runs, lambda run: (run.case.id, run.stack.key, run.synchronisation, run.launch.repeat))


def newest_of(runs: Iterable[E], key: Callable[[E], Hashable]) -> list[E]:
    """Of those that share a key the newest ``ok`` one, else the newest unfinished one."""
    best: dict[Hashable, E] = {}
    for run in runs:
        known = best.setdefault(key(run), run)
        if _precedence(run) > _precedence(known):
            best[key(run)] = run
    return list(best.values())


def _precedence(run: _Ended) -> tuple[bool, str, str]:
    return run.status == "ok", run.ended, run.run_id


def record_paths(folder: Path | str, damages: list[Any]) -> Iterator[str]:
    """The files under ``folder`` that are records by their names, in order; unreadable folders come to ``damages``."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or str(error)
        damages.append(Damage(path=Path(folder), place="folder", found=reason, right="a readable folder"))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from record_paths(entry.path, damages)
        elif entry.name.endswith(".json") and entry.name != MANIFEST:
            yield entry.path
