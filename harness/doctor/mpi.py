"""MPI on the host: the launcher, the library, and whether ranks meet."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from harness.doctor import trial
from harness.doctor.finding import Area, Finding
from harness.launch.launchers import find_mpiexec, mpi_environment
from harness.store.record import Stack
from kernels.api import InputError

AREA = Area("MPI")
RANKS = 2
_MEND_PAIRING = (
    "use the mpiexec and the library of one MPI: leave SCALEMARK_MPI unset for the wheel's, or set it to the folder of "
    "your own, with bin/mpiexec and lib/libmpi.so in it"
)


def examine_mpi() -> Iterator[Finding]:
    """Find the launcher, start two ranks with it, and count them."""
    try:
        path = find_mpiexec()
        mpi_environment()
    except InputError as error:
        yield AREA.error("launcher", str(error), "no case of two or more ranks can be started", _MEND_PAIRING)
        return
    yield AREA.ok("launcher", f"{launcher_version(path)} ({path})")
    yield from trial.judge(AREA, "two ranks", trial.run_here(RANKS, Stack()), _MEND_PAIRING)


def launcher_version(path: str) -> str:
    """An mpiexec's family and version."""
    return parse_version(subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10).stdout)


def parse_version(text: str) -> str:
    """The family and version that ``mpiexec --version`` tells: Open MPI, Intel MPI, or MPICH and its kin (Hydra)."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["of no known version"]
    if "HYDRA" in lines[0]:
        version = next((line.split()[-1] for line in lines if line.startswith("Version")), "")
        return f"MPICH's mpiexec (Hydra) {version}"
    return lines[0]
