"""Why a backend of the quantum kernels cannot run here; see `kernels.api.Backend`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

from kernels.communication.process_group import cuda_missing
from kernels.declaring import cpu_only, needs


def torch_missing(device: str) -> str | None:
    """Ours runs on the CPU, and on GPUs where torch does."""
    return None if device == "cpu" else cuda_missing()


def cpu_peer_missing(*modules: str) -> Callable[[str], str | None]:
    """For a simulator that runs on the CPU only and comes with the extra ``peers``."""
    absent, elsewhere = needs(*modules, extra="peers"), cpu_only("runs on the CPU")
    return lambda device: absent(device) or elsewhere(device)


def aer_gpu_missing(device: str) -> str | None:
    """Aer's GPU build takes the place of the CPU build: both are the module ``qiskit_aer``."""
    try:
        importlib.metadata.version("qiskit-aer-gpu")
    except importlib.metadata.PackageNotFoundError:
        return "needs qiskit-aer-gpu in place of qiskit-aer: pip uninstall qiskit-aer; pip install 'scalemark[gpu]'"
    if not device.startswith("cuda"):
        return "runs on a GPU; ask for --device cuda"
    return None if Path("/proc/driver/nvidia").exists() else "needs an NVIDIA GPU; this machine has no NVIDIA driver"
