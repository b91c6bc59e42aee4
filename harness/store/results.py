"""Results, wherever they lie: a folder of records or one packed file, read alike."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

from harness.case import Sweep
from harness.store import manifest, pack, read
from harness.store.decode import Damage
from harness.store.read import R
from kernels.api import InputError
from kernels.explain import suggest


class Results(Protocol):
    """Sweeps, their manifests and their records."""

    path: Path

    def sweep_names(self) -> list[str]:
        """The sweeps, by name; raises `InputError` when these are no results."""

    def manifest(self, sweep: str) -> Sweep:
        """What a sweep asks for; raises `InputError` when nobody knows."""

    def scan(self, sweep: str, type_: type[R]) -> Iterator[R | Damage]:
        """The sweep's records as ``type_``, one at a time; `Damage` in place of what is no record."""


class ResultsFolder:
    """A folder that sweeps write to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sweep_names(self) -> list[str]:
        return read.sweep_names(self.path)

    def manifest(self, sweep: str) -> Sweep:
        return manifest.read_manifest(self.path, sweep)

    def scan(self, sweep: str, type_: type[R]) -> Iterator[R | Damage]:
        return read.scan_runs(read.sweep_folder(self.path, sweep), type_)


class PackedResults:
    """A file that `scalemark pack` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _manifests(self) -> dict[str, Sweep]:
        return pack.read_manifests(self.path)

    def sweep_names(self) -> list[str]:
        return sorted(self._manifests)

    def manifest(self, sweep: str) -> Sweep:
        if sweep not in self._manifests:
            raise InputError(f"{self.path}: sweep {sweep!r} not found; {suggest(sweep, self.sweep_names())}")
        return self._manifests[sweep]

    def scan(self, sweep: str, type_: type[R]) -> Iterator[R | Damage]:
        self.manifest(sweep)
        return pack.scan_pack(self.path, sweep, type_)


def open_results(path: Path) -> Results:
    """The results at ``path``: a packed file, or else a folder."""
    return PackedResults(path) if path.suffix == pack.SUFFIX and not path.is_dir() else ResultsFolder(path)
