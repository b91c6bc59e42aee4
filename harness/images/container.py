"""Ranks inside an Apptainer image: the command of one rank, and the environment that all of them see."""

from __future__ import annotations

import csv
import functools
import io
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.case import Scale
from harness.images.image import find_apptainer
from harness.store.record import Stack

# where an image keeps the suite's code; a checkout bound over it is the code that runs
CODE = "/opt/scalemark"
# what reaches ranks in an image: where the scheduler put them and which GPUs it gave them, what MPI and its launcher
# tell each other, what tunes the libraries inside, and what was set for this very purpose. The rest of the host's
# environment (its Python, its libraries, its folders) means nothing in there.
_KEPT = (
    "SLURM_", "PMI", "PMIX_", "HYDRA_", "MPI", "OMPI_", "PRTE_", "UCX_", "FI_", "NCCL_", "RCCL_", "GLOO_", "HOROVOD_",
    "CUDA_VISIBLE_", "CUDA_DEVICE_", "CUDA_MPS_", "ROCR_", "HIP_VISIBLE_", "HSA_", "GPU_DEVICE_",
    "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "NUMBA_", "TORCH", "MALLOC_", "SCALEMARK_", "APPTAINERENV_", "LC_",
)  # fmt: skip
_KEPT_NAMES = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "TERM")
# what MPI does in place of reading another rank's memory, for an Apptainer that cannot let it
_WITHOUT_SHARED_NAMESPACES = ("MPIR_CVAR_CH4_CMA_ENABLE=0", "UCX_TLS=tcp,self")


def environment(named: Iterable[str] = ()) -> dict[str, str]:
    """The part of this process's environment that ranks in an image are started with; ``named`` are kept as well.

    Apptainer's own ``--cleanenv`` would also take what the launcher tells each rank, and every rank would believe it is
    alone; so the launcher itself is started clean.
    """
    names = {*_KEPT_NAMES, *named}
    kept = {name: value for name, value in os.environ.items() if name in names or name.startswith(_KEPT)}
    return kept | {"SCALEMARK_DATA": str(_data_folder())}


def rank_command(stack: Stack, scale: Scale, folder: Path, binds: tuple[str, ...]) -> list[str]:
    """The command of one rank: the launch's ``folder`` (inside the results) is what it works on."""
    results = folder.resolve().parents[2]
    data = _data_folder()
    data.mkdir(parents=True, exist_ok=True)
    options = [mount(path, path) for path in map(str, (results, data, *binds))]
    if checkout := os.environ.get("SCALEMARK_CHECKOUT"):
        options.append(mount(os.path.abspath(checkout), CODE, "ro"))
    options += ["--no-home", "--no-mount=cwd", f"--pwd={results}", *gpu_options(), *_isolation(scale)]
    program = ["python", "-m", "harness.measure.rank", str(folder.resolve())]
    return [find_apptainer(), "exec", *options, stack.path, *program]


def mount(source: str, place: str, *options: str) -> str:
    """Apptainer's option that shows a folder of the host inside; ``--bind`` would split a path at ``:`` and ``,``."""
    return f"--mount={_fields('type=bind', f'source={source}', f'destination={place}', *options)}"


def bare_command(folder: Path) -> list[str]:
    """The command of one rank in the environment this process runs in."""
    return [sys.executable, "-m", "harness.measure.rank", str(folder.resolve())]


def _data_folder() -> Path:
    """Where data sets lie: the same place as for ranks outside, whose working directory is this process's."""
    return Path(os.environ.get("SCALEMARK_DATA") or "results/data").resolve()


def gpu_options(devices: Path = Path("/dev")) -> list[str]:
    """Show the node's GPUs, when it has any: asked on the node itself, for a login node may have none."""
    nvidia = ["--nv"] if (devices / "nvidiactl").exists() else []
    amd = ["--rocm"] if (devices / "kfd").exists() else []
    return nvidia + amd


def _isolation(scale: Scale) -> list[str]:
    """One rank has nobody to talk to, so it gets no network; ranks of a node share namespaces.

    In user namespaces of their own, ranks of one node could not read each other's memory, which MPI does to copy large
    messages once instead of twice: where Apptainer cannot let ranks share them, MPI is told to send instead.
    """
    if scale.ranks == 1:
        return ["--net", "--network=none"]
    if scale.ranks_per_node == 1:
        return []
    if shares_namespaces(find_apptainer()):
        return ["--sharens"]
    return [f"--env={_fields(setting)}" for setting in _WITHOUT_SHARED_NAMESPACES]


@functools.cache
def shares_namespaces(apptainer: str) -> bool:
    """Whether this Apptainer knows ``--sharens``, which came with version 1.3."""
    told = subprocess.run([apptainer, "exec", "--help"], capture_output=True, text=True, timeout=60).stdout
    return "--sharens" in told


def _fields(*values: str) -> str:
    """A line of comma-separated values, as Apptainer reads ``--mount`` and ``--env``."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
