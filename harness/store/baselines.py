"""Baselines: named sets of records that later ones are compared with, each a results folder of its own.

They lie at ``<results>/baselines/<name>/``, as plain records, so that a baseline can be committed, read without any
extra software, and used wherever a results folder can.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.case import SWEEP_NAME
from harness.store.decode import Damage
from harness.store.manifest import MANIFEST
from harness.store.read import WholeRun, decode_environment, newest, scan_runs, sound, sweep_folder
from harness.store.record import utc_now
from harness.store.write import runs_folder, write_atomic
from kernels.api import InputError
from kernels.explain import suggest

_DESCRIPTION = "baseline.json"


class Baseline(Struct, frozen=True, kw_only=True):
    """What a baseline holds and when it was saved (UTC, ISO 8601). ``commits`` are those of the code that measured."""

    name: str
    saved: str
    sweeps: list[str]
    cases: int
    records: int
    commits: list[str]


def folder_of(results: Path, name: str) -> Path:
    """Where a baseline lies, whether or not it is there; raises `InputError` for a name that is no folder's."""
    if not re.match(SWEEP_NAME, name):
        raise InputError(f"baseline {name!r}: right would be letters, digits, dots, dashes, such as main or v1.2")
    return results / "baselines" / name


def find(results: Path, name: str) -> Path:
    """The folder of a baseline; raises `InputError` naming those that exist when it does not."""
    folder = folder_of(results, name)
    if not (folder / _DESCRIPTION).is_file():
        known = [item.name for item in saved(results)[0]]
        told = suggest(name, known) if known else f"there is none in {results / 'baselines'}"
        raise InputError(f"baseline {name!r} not found; {told}; `scalemark baseline save` makes one")
    return folder


def saved(results: Path) -> tuple[list[Baseline], list[Damage]]:
    """All baselines of a results folder, oldest first, and every description of one that is none."""
    found = [_describe(path) for path in sorted((results / "baselines").glob(f"*/{_DESCRIPTION}"))]
    whole = [item for item in found if isinstance(item, Baseline)]
    damages = [item for item in found if isinstance(item, Damage)]
    return sorted(whole, key=lambda item: (item.saved, item.name)), damages


def save(results: Path, name: str, sweeps: Iterable[str]) -> tuple[Baseline, list[Damage]]:
    """Copy the newest run of every case, stack and repeat of the sweeps; returns what is held and what was damaged.

    Raises `InputError` when the name is taken: a baseline is never changed in silence.
    """
    folder = folder_of(results, name)
    if folder.exists():
        raise InputError(f"baseline {name!r} exists already; remove it first: scalemark baseline remove {name}")
    temporary = folder.with_name(f".{name}.{os.getpid()}.tmp")
    damages: list[Damage] = []
    held: list[WholeRun] = []
    try:
        for sweep in sweeps:
            held += _copy_sweep(results, sweep, temporary, damages)
        baseline = _make_description(name, held)
        write_atomic(temporary / _DESCRIPTION, msgspec.json.format(msgspec.json.encode(baseline)))
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return baseline, damages


def remove(results: Path, name: str) -> None:
    """Delete a baseline; raises `InputError` when there is none of that name."""
    shutil.rmtree(find(results, name))


def _copy_sweep(results: Path, sweep: str, target: Path, damages: list[Damage]) -> list[WholeRun]:
    source = sweep_folder(results, sweep)
    kept = newest(msgspec.structs.replace(run, samples_s=[]) for run in sound(scan_runs(source, WholeRun), damages))
    for run in kept:
        place = Path(run.case.id) / f"{run.run_id}.json"
        copy = runs_folder(target, sweep) / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / place, copy)
    if (source / MANIFEST).is_file():
        runs_folder(target, sweep).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / MANIFEST, runs_folder(target, sweep) / MANIFEST)
    return kept


def _make_description(name: str, runs: list[WholeRun]) -> Baseline:
    if not runs:
        raise InputError(f"baseline {name!r}: no records to save; right would be a measured sweep")
    environments = [decode_environment(content) for content in {bytes(run.environment) for run in runs}]
    commits = {str(found.get("code", {}).get("commit") or "") for found in environments}
    return Baseline(
        name=name,
        saved=utc_now(),
        sweeps=sorted({run.sweep for run in runs}),
        cases=len({run.case.id for run in runs}),
        records=len(runs),
        commits=sorted(filter(None, commits)),
    )


def _describe(path: Path) -> Baseline | Damage:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        return Damage(path=path, place="content", found=str(error), right="a baseline's description")
