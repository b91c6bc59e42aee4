"""Other tools' results, recognised by their content, so that users compare what they already have.

A file is one launch unless it says otherwise; the files of a folder are launches that follow each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.store.decode import Damage
from harness.store.imports import google_benchmark, nccl_tests, osu, pytest_benchmark, reframe
from harness.store.read import WholeRun
from kernels.api import InputError

KNOWN = (
    "pytest-benchmark JSON, Google Benchmark JSON, OSU micro-benchmarks or nccl-tests output, a ReFrame performance log"
)
_TEXTS: tuple[Any, ...] = (osu, nccl_tests, reframe)
# which rank said a line, as `mpirun --tag-output` and `srun --label` put it
_TAG = re.compile(r"^(?:\[[^\]\s]*\]<std(?:out|err)>:|[ \d]*\d: ) ?", re.MULTILINE)
_DOCUMENTS: tuple[Any, ...] = (pytest_benchmark, google_benchmark)


def read_foreign(path: Path) -> tuple[list[WholeRun], list[Damage]]:
    """The runs in a file of another tool, or in all files of a folder; files that nobody knows are `Damage`.

    Raises `InputError` when ``path`` is absent, or not a single run is found.
    """
    files = sorted(item for item in path.rglob("*") if _is_visible_file(item)) if path.is_dir() else [path]
    runs: list[WholeRun] = []
    damages: list[Damage] = []
    for file in files:
        try:
            runs += [msgspec.structs.replace(run, run_id=f"{file}#{run.run_id}") for run in _read_file(file)]
        except InputError as error:
            if file == path:
                raise
            damages.append(Damage(path=file, place="content", found=str(error), right=KNOWN))
    if not runs:
        raise InputError(
            f"{path}: found nothing to compare; right would be a results folder, a packed file, or {KNOWN}"
        )
    return list(_numbered(_merged(runs))), damages


def _read_file(path: Path) -> list[WholeRun]:
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: found no text; right would be {KNOWN}") from error
    is_json = text.lstrip()[:1] == "{"
    content, readers = (_parse_json(path, text), _DOCUMENTS) if is_json else (_TAG.sub("", text), _TEXTS)
    reader: Callable[..., list[WholeRun]] | None = next(
        (item.read for item in readers if item.recognises(content)), None
    )
    if reader is None:
        raise InputError(f"{path}: found a file of no known tool; right would be {KNOWN}")
    try:
        return reader(content, path)
    except (msgspec.ValidationError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path}: damaged: {error}; right would be {KNOWN}") from error


def _parse_json(path: Path, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}; right would be {KNOWN}") from error


def _merged(runs: Iterable[WholeRun]) -> list[WholeRun]:
    """What one launch says of a case in several lines (nccl-tests repeat sizes) as the samples of one run."""
    found: dict[tuple[str, str], WholeRun] = {}
    for run in runs:
        key = (run.run_id, run.case.id)
        first = found.get(key)
        if first is None or run.status != "ok":
            found[key] = run
        elif first.status == "ok":
            found[key] = msgspec.structs.replace(first, samples_s=[*first.samples_s, *run.samples_s])
    return list(found.values())


def _numbered(runs: Iterable[WholeRun]) -> Iterator[WholeRun]:
    """Each case's runs counted as its launches, in the order of files and lines."""
    seen: Counter[str] = Counter()
    for run in runs:
        repeat = seen[run.case.id]
        seen[run.case.id] += 1
        yield msgspec.structs.replace(run, launch=msgspec.structs.replace(run.launch, repeat=repeat))


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
