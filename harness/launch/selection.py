"""Which sweeps a command line means: TOML files, names of sweeps in ``benchmarks/``, or kernels."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import msgspec

from harness.case import CaseGroup, Device, Sweep, SweepFile, expand, explain_invalid, read_sweep
from harness.store.source_code import ROOT
from kernels import registry
from kernels.api import InputError

_AXES = ("nodes", "ranks_per_node", "threads")


def find_sweeps(
    what: tuple[str, ...], backends: list[str] | None, settings: dict[str, Any], device: Device, name: str | None,
    **overrides: Any,
) -> list[Sweep]:  # fmt: skip
    """The expanded sweeps that ``what`` names. Kernels on one command line make one sweep.

    ``overrides`` (nodes, ranks_per_node, threads, mode, repeats, budget_s, synchronisation; None where not given)
    replace what files say. Raises `InputError` for a word that names nothing, and for options that a file has no
    place for.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    named = registry.all_names()
    chosen = [word for word in what if word in named]
    sweeps = []
    for word in what:
        if word not in chosen:
            path = _find_file(word)
            if backends or settings or name or device != "cpu":
                raise InputError(
                    f"{path}: --backend, --set, --device and --name go with kernels; a file says these itself"
                )
            sweeps.append(expand(_override(read_sweep(path), given), str(path)))
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


def _find_file(word: str) -> Path:
    if word.endswith(".toml"):
        return Path(word)
    files = {path.stem: path for path in sweep_files()}
    if word in files:
        return files[word]
    near = difflib.get_close_matches(word, [*registry.names(), *files], n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"kernels: {', '.join(registry.names())}; sweeps: {', '.join(files)}"
    )
    raise InputError(f"no kernel, no sweep and no TOML file {word!r}; {hint}")


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
        raise InputError(f"command line: {explain_invalid(error, content)}") from error
