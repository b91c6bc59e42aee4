"""What a shell may complete. It is asked at every press of a key, so it never complains and imports nothing heavy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from click.shell_completion import CompletionItem
from msgspec import inspect

from harness.case import read_sweep
from harness.launch.selection import find_file, sweep_files
from harness.store import pack
from harness.store.read import sweep_names
from harness.store.write import runs_folder
from kernels import registry
from kernels.api import InputError, Kernel

# what takes longer to import than anybody waits: a kernel that needs it to be known is not completed
_HEAVY = "torch"


def kernels(incomplete: str) -> list[str]:
    """The kernels whose names begin so."""
    return _beginning(registry.names(), incomplete)


def backends(names: Iterable[str], incomplete: str) -> list[str]:
    """The backends of these kernels and of sweeps' kernels; of several with commas the last one is completed."""
    given, comma, last = incomplete.rpartition(",")
    kernels = dict.fromkeys(kernel for name in names for kernel in _kernels_of(name))
    found = dict.fromkeys(backend for kernel in _load(kernels) for backend in kernel.backends)
    return [f"{given}{comma}{name}" for name in _beginning(found, last)]


def settings(names: Iterable[str], incomplete: str) -> list[str]:
    """The parameters of these kernels as ``NAME=VALUE``: the default, or each choice where they are few."""
    found = dict.fromkeys(
        f"{field.name}={value}"
        for kernel in _load(names)
        for field in cast(inspect.StructType, inspect.type_info(kernel.parameters)).fields
        for value in _values(field)
    )
    return _beginning(found, incomplete)


def sweeps(results: Path, incomplete: str) -> list[str]:
    """The measured sweeps of a results folder whose names begin so."""
    try:
        return _beginning(sweep_names(results), incomplete)
    except InputError:
        return []


def what(incomplete: str) -> list[CompletionItem]:
    """What a sweep may be of: kernels, sweeps that come with the suite or lie in ``benchmarks/``, files."""
    names = [*registry.names(), *(path.stem for path in sweep_files())]
    return _or_files(_beginning(names, incomplete), incomplete)


def baselines(results: Path, incomplete: str) -> list[str]:
    """The baselines of a results folder whose names begin so."""
    return _beginning(_folders(results / "baselines"), incomplete)


def cases(results: Path, sweep: str, incomplete: str) -> list[str]:
    """The ids of a sweep's measured cases that begin so."""
    return _beginning(_folders(runs_folder(results, sweep)), incomplete)


def sides(results: Path, incomplete: str) -> list[CompletionItem]:
    """What can be compared: ``@NAME`` of a baseline, results folders, packed files; else any file."""
    named = [f"@{name}" for name in baselines(results, incomplete.removeprefix("@"))]
    if incomplete.startswith("@"):
        return [CompletionItem(name) for name in named]
    folder, slash, begun = incomplete.rpartition("/")
    here = Path(folder or slash or ".")
    near = _beginning(_entries(here), begun)
    found = [f"{folder}{slash}{name}" for name in near if _is_result(here / name)]
    if not incomplete:
        return _or_files([*named, *found], incomplete)
    # a folder that is none may hold some
    return _or_files(found if len(found) == len(near) else [], incomplete)


def _is_result(path: Path) -> bool:
    return path.suffix == pack.SUFFIX or (path / "runs").is_dir()


def _or_files(names: list[str], incomplete: str) -> list[CompletionItem]:
    """The names; where there is none the shell looks for files itself."""
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _folders(folder: Path) -> list[str]:
    return [name for name in _entries(folder) if (folder / name).is_dir()]


def _entries(folder: Path) -> list[str]:
    """What lies in a folder and is not hidden; nothing where it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def _values(field: inspect.Field) -> list[str]:
    """What to offer for a parameter, as ``--set`` takes it."""
    type_ = field.type.type if isinstance(field.type, inspect.Metadata) else field.type
    if isinstance(type_, inspect.BoolType):
        return ["true", "false"]
    return [str(value) for value in (type_.values if isinstance(type_, inspect.LiteralType) else [field.default])]


def _kernels_of(word: str) -> list[str]:
    """A kernel itself, or those of a sweep's file."""
    try:
        return [word] if word in registry.all_names() else [group.kernel for group in read_sweep(find_file(word)).cases]
    except InputError:
        return []


def _load(names: Iterable[str]) -> Iterator[Kernel]:
    """Those of the kernels that are known and light."""
    for name in names:
        try:
            with _nothing_heavy():
                kernel = registry.load(name)
        except (InputError, ImportError):
            continue
        yield kernel


@contextmanager
def _nothing_heavy() -> Iterator[None]:
    """Importing what takes seconds fails at once, unless that is done already."""
    modules: dict[str, Any] = sys.modules
    is_barred = _HEAVY not in modules
    if is_barred:
        modules[_HEAVY] = None
    try:
        yield
    finally:
        if is_barred:
            del modules[_HEAVY]
