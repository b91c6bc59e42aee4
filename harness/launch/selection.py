"""Which sweeps a command line means: TOML files, names of sweeps in ``benchmarks/``, or kernels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from harness.case import CaseGroup, Device, Sweep, SweepFile, expand, read_sweep
from harness.store.source_code import ROOT
from kernels import registry
from kernels.api import InputError
from kernels.explain import explain_invalid, suggest

_AXES = ("nodes", "ranks_per_node", "threads")


def find_sweeps(
    what: tuple[str, ...], backends: list[str] | None, settings: dict[str, Any], device: Device, name: str | None,
    **overrides: Any,
) -> list[Sweep]:  # fmt: skip
    """The expanded sweeps that ``what`` names. Kernels on one command line make one sweep.

    ``overrides`` (nodes, ranks_per_node, threads, mode, repeats, budget_s, synchronisation; None where not given)
    replace what files say; ``backends`` are those of a file's cases that are measured. Raises `InputError` for a word
    that names nothing, for a backend that a file does not have, and for options that a file has no place for.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    named = registry.all_names()
    chosen = [word for word in what if word in named]
    sweeps = []
    for word in what:
        if word not in chosen:
            path = find_file(word)
            if settings or name or device != "cpu":
                raise InputError(f"{path}: --set, --device and --name go with kernels; a file says these itself")
            sweeps.append(_expand_file(path, backends, given))
    if chosen:
        groups = [CaseGroup(kernel=kernel, backend=backends, set=settings, device=device) for kernel in chosen]
        sweeps.append(expand(_make_file(name or "-".join(chosen), groups, given)))
    return sweeps


def sweep_files() -> list[Path]:
    """The sweeps that come with the suite or lie in the working directory, by name."""
    found = {path.stem: path for folder in _folders() for path in sorted(folder.glob("*.toml"))}
    return list(found.values())


def _folders() -> list[Path]:
    """The suite's own ``benchmarks/``, then the working directory's, which wins."""
    return [ROOT / "benchmarks", Path("benchmarks")]


def find_file(word: str) -> Path:
    """The TOML file that a word names; raises `InputError` with the nearest name and all."""
    if word.endswith(".toml"):
        return Path(word)
    files = {path.stem: path for path in sweep_files()}
    if word in files:
        return files[word]
    raise InputError(f"no kernel, no sweep and no TOML file {word!r}; {suggest(word, [*registry.names(), *files])}")


def _expand_file(path: Path, backends: list[str] | None, given: dict[str, Any]) -> Sweep:
    """The file's sweep, or those of its cases that ``backends`` measure, each of which it must have."""
    file = _override(read_sweep(path), given)
    if backends is None:
        return expand(file, str(path))
    known = dict.fromkeys(name for group in file.cases for name in _backends_of(group))
    for backend in backends:
        if backend not in known:
            raise InputError(f"{path}: no case of backend {backend!r}; {suggest(backend, known)}")
    return expand(file, str(path), backends)


def _backends_of(group: CaseGroup) -> Iterable[str]:
    """Those that the file names, or all of the kernel."""
    if group.backend is None:
        return registry.load(group.kernel).backends
    return [group.backend] if isinstance(group.backend, str) else group.backend


def _override(file: SweepFile, given: dict[str, Any]) -> SweepFile:
    """A command line's axes hold for the whole file, so those of its groups give way."""
    cleared = dict.fromkeys([axis for axis in _AXES if axis in given])
    groups = [msgspec.structs.replace(group, **cleared) for group in file.cases]
    return msgspec.structs.replace(file, cases=tuple(groups), **given)


def _make_file(name: str, groups: list[CaseGroup], given: dict[str, Any]) -> SweepFile:
    content = {"name": name, "cases": groups, **given}
    try:
        return msgspec.convert(content, SweepFile)
    except msgspec.ValidationError as error:
        raise InputError(f"command line: {explain_invalid(error, content, SweepFile)}") from error
