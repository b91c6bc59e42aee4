"""The manifest: which cases a sweep asks for, so that what was never measured is seen to be missing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.case import Sweep
from harness.store.write import runs_folder, write_atomic
from kernels.api import InputError

MANIFEST = "sweep.json"


def write_manifest(results: Path, sweep: Sweep) -> Sweep:
    """Join ``sweep`` with the manifest already there, write it, and return it.

    The newest definition (mode, repeats, budget, and of a case its kernel version) wins; cases asked for earlier stay,
    so a sweep narrowed for a day does not forget the rest. Raises `InputError` when the manifest there is damaged.
    """
    path = runs_folder(results, sweep.name) / MANIFEST
    if path.exists():
        asked = {item.case.id for item in sweep.cases}
        kept = [item for item in read_manifest(results, sweep.name).cases if item.case.id not in asked]
        sweep = msgspec.structs.replace(sweep, cases=[*sweep.cases, *kept])
    write_atomic(path, msgspec.json.encode(sweep))
    return sweep


def stand_in(sweep_name: str) -> Sweep:
    """In place of a manifest that is lost: the records stay, but what is missing and how they scale nobody knows."""
    return Sweep(name=sweep_name, mode="none", repeats=1, budget_s=0.0, cases=[])


def read_manifest(results: Path, sweep_name: str) -> Sweep:
    """The manifest of a sweep; raises `InputError` when it is absent or damaged."""
    path = runs_folder(results, sweep_name) / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sweep)
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; right would be the manifest that a sweep starts with") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: found {error}; right would be a sweep's manifest: remove it (records stay) and sweep again"
        ) from error
