"""Why a backend of the quantum kernels cannot run here; see `kernels.api.Backend`."""

from __future__ import annotations

from collections.abc import Callable

from kernels.api import needs
from kernels.communication.process_group import cuda_missing


def torch_missing(device: str) -> str | None:
    """Ours runs on the CPU, and on GPUs where torch does."""
    return None if device == "cpu" else cuda_missing()


def cpu_peer_missing(*modules: str) -> Callable[[str], str | None]:
    """For a simulator that runs on the CPU only and comes with the extra ``peers``."""
    absent = needs(*modules, extra="peers")
    return lambda device: absent(device) or (None if device == "cpu" else "runs on the CPU; ask for --device cpu")
