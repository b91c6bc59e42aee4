"""What a shell may complete. It is asked at every press of a key, so it never complains and imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from harness.store.read import sweep_names
from kernels import registry
from kernels.api import InputError


def kernels(incomplete: str) -> list[str]:
    """The kernels whose names begin so."""
    return [name for name in registry.names() if name.startswith(incomplete)]


def sweeps(results: Path, incomplete: str) -> list[str]:
    """The sweeps of a results folder whose names begin so."""
    try:
        return [name for name in sweep_names(results) if name.startswith(incomplete)]
    except InputError:
        return []
