"""What a stranger needs to know to say why two results differ. Looked up once a launch, never while sampling."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

import psutil

from harness.store.record import Environment

_LIBRARIES = (
    "torch", "numpy", "numba", "scipy", "mpi4py", "mpich", "openmpi", "horovod", "nvidia-dali-cuda130",
    "qiskit", "qiskit-aer", "qiskit-aer-gpu", "pennylane", "pennylane-lightning", "qulacs",
)  # fmt: skip
# settings of other people's libraries that change how fast they run or which way they go
_PREFIXES = (
    "OMP_", "MKL_", "OPENBLAS_", "NUMBA_", "KMP_", "GOMP_", "TORCH", "MPICH_", "MPIR_", "FI_", "UCX_", "OMPI_MCA_",
    "NCCL_", "GLOO_", "HOROVOD_", "CUDA_", "MPI4PY_", "APPTAINER_NAME", "MALLOC_", "LD_PRELOAD", "LD_LIBRARY_PATH",
)  # fmt: skip
# the interface between launcher and MPI, by the variable that tells a process its rank in it
_PMI = {
    "PMI_RANK": "pmi1/pmi2",
    "PMIX_RANK": "pmix",
    "OMPI_COMM_WORLD_RANK": "openmpi",
}


def describe(comm: Any, placement: dict[str, Any], code: dict[str, Any]) -> Environment | None:
    """The environment of a launch, on rank 0 (None elsewhere). All ranks call it together."""
    hosts = comm.gather(os.environ.get("SLURMD_NODENAME") or socket.gethostname())
    placements = comm.gather(placement)
    if comm.rank != 0:
        return None
    return Environment(
        hosts=list(dict.fromkeys(hosts)),
        cpu=_cpu(),
        memory_bytes=psutil.virtual_memory().total,
        gpus=_gpus(),
        operating_system=f"{_pretty_name()}, Linux {platform.release()}",
        python=platform.python_version(),
        libraries=_libraries(),
        mpi=_mpi(comm),
        code=code,
        placement={"ranks": placements},
        variables={name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES)},
        load_average=os.getloadavg()[0],
        slurm={
            name: os.environ[name]
            for name in ("SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_JOB_PARTITION", "SLURM_CLUSTER_NAME")
            if name in os.environ
        },
    )


def _cpu() -> dict[str, Any]:
    return {
        "model": _from_cpuinfo("model name") or platform.processor(),
        "architecture": platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "microcode": _from_cpuinfo("microcode"),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": _read("/sys/devices/system/cpu/smt/active"),
        "no_turbo": _read("/sys/devices/system/cpu/intel_pstate/no_turbo"),
        "huge_pages": _read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "clock_source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }


def _mpi(comm: Any) -> dict[str, Any]:
    from mpi4py import MPI

    loaded = next((line.split()[-1] for line in _maps() if "/libmpi" in line or "/libpmpi" in line), "")
    return {
        "library": MPI.Get_library_version().splitlines()[0].strip().rstrip("\x00"),
        "standard": ".".join(str(part) for part in MPI.Get_version()),
        "loaded": loaded,
        "pmi": next((kind for name, kind in _PMI.items() if name in os.environ), "none"),
        "world_size": comm.size,
        "thread_level": _thread_level(),
    }


def _thread_level() -> str:
    """How many threads may call MPI; the locks this takes are most of a small message's time."""
    from mpi4py import MPI

    names = {MPI.THREAD_SINGLE: "single", MPI.THREAD_FUNNELED: "funneled", MPI.THREAD_SERIALIZED: "serialized"}
    return names.get(MPI.Query_thread(), "multiple")


def _gpus() -> list[str]:
    if not Path("/proc/driver/nvidia").exists() or "torch" not in sys.modules:
        return []
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _libraries() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _from_cpuinfo(field: str) -> str:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        if line.startswith(field):
            return line.partition(":")[2].strip()
    return ""


def _pretty_name() -> str:
    for line in (_read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def _maps() -> list[str]:
    return (_read("/proc/self/maps") or "").splitlines()


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
