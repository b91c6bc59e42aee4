"""What starts the ranks inside an allocation: nothing at all, mpiexec, or srun."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from harness.case import Scale
from harness.launch import slurm
from kernels.api import InputError


class Launcher(ABC):
    """Turns one rank's command into the command that starts all ranks. No shell ever reads either."""

    name: str

    @abstractmethod
    def command(self, scale: Scale, program: list[str]) -> list[str]:
        """The argument list that starts ``scale.ranks`` processes of ``program``."""

    def lost_allocation(self) -> str:
        """Why the allocation is at an end, when it is: ranks that it took along did not fail by themselves."""
        return ""

    def end_rest(self) -> None:  # noqa: B027  most launchers take their ranks along
        """End ranks that outlive the launcher's own process."""


class Alone(Launcher):
    """One rank, started as a plain process."""

    name = "none"

    def command(self, scale: Scale, program: list[str]) -> list[str]:
        return program


class Mpiexec(Launcher):
    """MPICH's or Open MPI's mpiexec: the site's own where ``SCALEMARK_MPI`` names its folder, else the wheel's."""

    name = "mpiexec"

    def command(self, scale: Scale, program: list[str]) -> list[str]:
        path = find_mpiexec()
        options = ["-n", str(scale.ranks)]
        if _is_open_mpi(path):
            # ranks pin themselves; Open MPI would bind first, refuse root, and count cores its own way
            options += ["--bind-to", "none", "--map-by", f"ppr:{scale.ranks_per_node}:node:OVERSUBSCRIBE"]
            options += ["--allow-run-as-root"] if os.geteuid() == 0 else []
        else:
            options += ["-ppn", str(scale.ranks_per_node)]
        return [path, *options, *program]


class Srun(Launcher):
    """Slurm's srun; ``pmi`` is the interface the ranks' MPI speaks ("pmi2" for MPICH, "pmix" for Open MPI)."""

    name = "srun"

    def __init__(self, pmi: str = "pmi2") -> None:
        self.pmi = pmi

    def command(self, scale: Scale, program: list[str]) -> list[str]:
        return [
            "srun",
            f"--mpi={self.pmi}",
            f"--nodes={scale.nodes}",
            f"--ntasks={scale.ranks}",
            f"--ntasks-per-node={scale.ranks_per_node}",
            f"--cpus-per-task={scale.threads}",
            "--distribution=block:block",
            "--kill-on-bad-exit=1",
            "--exact",
            *program,
        ]

    def lost_allocation(self) -> str:
        """Slurm changes a job's state before it ends the job's steps."""
        return slurm.lost_allocation()

    def end_rest(self) -> None:
        """Slurm keeps a step's ranks when its srun is killed: end every step of this job that is left."""
        slurm.end_steps()


def launcher_here(scale: Scale) -> Launcher:
    """How ranks are started on this machine alone."""
    return Alone() if scale.ranks == 1 else Mpiexec()


def find_mpiexec() -> str:
    """The mpiexec that belongs to the MPI library the ranks load; raises `InputError` when there is none."""
    site = os.environ.get("SCALEMARK_MPI")
    folders = [Path(site) / "bin"] if site else [Path(sys.executable).parent, *map(Path, os.get_exec_path())]
    for folder in folders:
        path = shutil.which("mpiexec", path=str(folder))
        if path:
            return path
    where = f"in {folders[0]} (SCALEMARK_MPI)" if site else "beside Python or on PATH"
    raise InputError(f"no mpiexec {where}: install the mpich wheel, or name your MPI's folder in SCALEMARK_MPI")


def mpi_environment() -> dict[str, str]:
    """What makes mpi4py load the site's own MPI library instead of the wheel's, where one is asked for."""
    site = os.environ.get("SCALEMARK_MPI")
    if not site:
        return {}
    for folder in ("lib", "lib64"):
        library = Path(site) / folder / "libmpi.so"
        if library.exists():
            return {"MPI4PY_LIBMPI": str(library)}
    raise InputError(f"SCALEMARK_MPI={site}: there is no lib/libmpi.so in it; right would be the MPI's own folder")


@functools.cache
def _is_open_mpi(path: str) -> bool:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30).stdout
    return "Open MPI" in told or "OpenRTE" in told
