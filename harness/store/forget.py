"""Taking cases out of a sweep: its manifest asks for them no more, and their records are deleted."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.store.done import finished_cases
from harness.store.manifest import MANIFEST, read_manifest
from harness.store.read import record_paths, sweep_folder
from harness.store.write import write_atomic
from kernels.api import InputError


class Forgotten(Struct, frozen=True, kw_only=True):
    """The ids of the cases that were taken out, and how many files went with them."""

    cases: list[str]
    files: int


def forget(results: Path, sweep: str, patterns: Sequence[str], dry_run: bool = False) -> Forgotten:
    """Take the cases whose ids match a pattern out of a sweep; without patterns those that have no finished run.

    A sweep of which nothing is left goes altogether. With ``dry_run`` nothing is touched, and what is returned would
    go. Raises `InputError` when there is no such sweep, its manifest is damaged, or a pattern matches nothing.
    """
    folder = sweep_folder(results, sweep)
    manifest = read_manifest(results, sweep) if (folder / MANIFEST).exists() else None
    asked = [item.case.id for item in manifest.cases] if manifest else []
    measured = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    known = list(dict.fromkeys([*asked, *measured]))
    chosen = _choose(sweep, known, patterns) if patterns else sorted(set(known) - finished_cases(results, sweep, known))
    files = sum(1 for case_id in chosen if case_id in measured for _ in record_paths(folder / case_id, []))
    if chosen and not dry_run:
        if manifest:
            kept = [item for item in manifest.cases if item.case.id not in chosen]
            write_atomic(folder / MANIFEST, msgspec.json.encode(msgspec.structs.replace(manifest, cases=kept)))
        for case_id in set(chosen) & set(measured):
            shutil.rmtree(folder / case_id)
        if set(chosen) == set(known):
            shutil.rmtree(folder)
    return Forgotten(cases=chosen, files=files)


def _choose(sweep: str, known: Sequence[str], patterns: Sequence[str]) -> list[str]:
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matching = fnmatch.filter(known, pattern)
        if not matching:
            raise InputError(f"sweep {sweep}: no case {pattern!r}; `scalemark table {sweep} --format csv` lists them")
        chosen |= dict.fromkeys(matching)
    return list(chosen)
