"""Ranks inside an Apptainer image: the command of one rank, and the environment that all of them see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.case import Scale
from harness.launch.image import find_apptainer
from harness.store.record import Stack

# where an image keeps the suite's code; a checkout bound over it is the code that runs
CODE = "/opt/scalemark"
# what reaches ranks in an image: where the scheduler put them, what MPI and its launcher tell each other, and what was
# set for this very purpose. The rest of the host's environment (its Python, its libraries) means nothing in there.
_KEPT = ("SLURM_", "PMI", "PMIX_", "HYDRA_", "MPI", "OMPI_", "PRTE_", "UCX_", "FI_", "NCCL_", "GLOO_", "CUDA_VISIBLE_",
         "SCALEMARK_", "APPTAINERENV_", "OMP_", "LC_")  # fmt: skip
_KEPT_NAMES = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "TERM")


def environment() -> dict[str, str]:
    """The part of this process's environment that ranks in an image are started with.

    Apptainer's own ``--cleanenv`` would also take what the launcher tells each rank, and every rank would believe it is
    alone; so the launcher itself is started clean.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_NAMES or name.startswith(_KEPT)}
    return kept | {"SCALEMARK_DATA": str(_data_folder())}


def rank_command(stack: Stack, scale: Scale, folder: Path, binds: tuple[str, ...]) -> list[str]:
    """The command of one rank: the launch's ``folder`` (inside the results) is what it works on."""
    results = folder.resolve().parents[2]
    data = _data_folder()
    data.mkdir(parents=True, exist_ok=True)
    options = [f"--bind={path}" for path in (results, data, *binds)]
    if checkout := os.environ.get("SCALEMARK_CHECKOUT"):
        options.append(f"--bind={os.path.abspath(checkout)}:{CODE}:ro")
    options += ["--no-home", "--no-mount=cwd", f"--pwd={results}", *_gpu_options(), *_isolation(scale)]
    program = ["python", "-m", "harness.measure.rank", str(folder.resolve())]
    return [find_apptainer(), "exec", *options, stack.path, *program]


def bare_command(folder: Path) -> list[str]:
    """The command of one rank in the environment this process runs in."""
    return [sys.executable, "-m", "harness.measure.rank", str(folder.resolve())]


def _data_folder() -> Path:
    """Where data sets lie: the same place as for ranks outside, whose working directory is this process's."""
    return Path(os.environ.get("SCALEMARK_DATA") or "results/data").resolve()


def _gpu_options() -> list[str]:
    """Show the node's GPUs, when it has any: asked on the node itself, for a login node may have none."""
    nvidia = ["--nv"] if Path("/dev/nvidiactl").exists() else []
    amd = ["--rocm"] if Path("/dev/kfd").exists() else []
    return nvidia + amd


def _isolation(scale: Scale) -> list[str]:
    """One rank has nobody to talk to, so it gets no network; ranks of a node share namespaces.

    In user namespaces of their own, ranks of one node could not read each other's memory, which MPI does to copy large
    messages once instead of twice.
    """
    if scale.ranks == 1:
        return ["--net", "--network=none"]
    return ["--sharens"] if scale.ranks_per_node > 1 else []
