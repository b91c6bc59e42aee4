"""The kernels' backends, and what they need."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Area, Finding
from kernels import registry
from kernels.api import Kernel

AREA = Area("kernels")
_SHOWN = ("torch", "numpy", "scipy", "numba", "mpi4py")
# what torch.compile (inductor) builds for CPUs: an OpenMP library that Python can load
_PROGRAM = "#include <Python.h>\n#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n"


def examine_backends() -> Iterator[Finding]:
    """Which backends of each kernel run here; for the others why not, once a reason."""
    lacking: dict[str, list[str]] = defaultdict(list)
    for name in registry.names():
        try:
            kernel = registry.load(name)
        except Exception as error:
            yield AREA.error(
                name, f"cannot be imported: {type(error).__name__}: {error}", "no sweep of it can start",
                "mend the installation (pip install scalemark), or SCALEMARK_KERNELS where the kernel is your own",
            )  # fmt: skip
            continue
        yield _judge_kernel(kernel, lacking)
    yield from (_judge_lack(sentence, backends) for sentence, backends in lacking.items())


def _judge_kernel(kernel: Kernel, lacking: dict[str, list[str]]) -> Finding:
    """What can run; adds what cannot to ``lacking``, by reason."""
    able = []
    for name, backend in kernel.backends.items():
        reasons = {device: backend.missing(device) for device in ("cpu", "cuda")}
        devices = [device for device, reason in reasons.items() if reason is None]
        if devices:
            able.append(f"{name} ({', '.join(devices)})")
        else:
            lacking[reasons["cpu"] or ""].append(f"{kernel.name} on {name}")
    if able:
        return AREA.ok(kernel.name, f"runs on {', '.join(able)}")
    return AREA.warning(
        kernel.name, "no backend can run here", "a sweep of it has no cases", "install what the notes below ask for"
    )


def _judge_lack(sentence: str, backends: list[str]) -> Finding:
    """A lack, told by a kernel's sentence ``needs ...`` that may end in a colon and what to do."""
    lack, _, remedy = sentence.partition(": ")
    return AREA.note(
        "not here", ", ".join(backends), f"{lack}; sweeps that name no backends leave it out",
        remedy or "nothing, unless you want it in a table",
    )  # fmt: skip


def examine_versions() -> Iterator[Finding]:
    """The libraries that every kernel stands on."""
    found: dict[str, str] = {}
    for name in _SHOWN:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    yield AREA.ok("libraries", ", ".join(f"{name} {version}" for name, version in found.items()))
    if absent := [name for name in _SHOWN if name not in found]:
        yield AREA.warning(
            "libraries", f"not installed: {', '.join(absent)}", "kernels that stand on them cannot run",
            "pip install scalemark, with everything it depends on",
        )  # fmt: skip


def examine_compiler() -> Iterator[Finding]:
    """Whether torch.compile can build its loops: a small program is really compiled."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        yield _no_compiler(f"there is no {compiler}")
        return
    with tempfile.TemporaryDirectory(prefix="scalemark-doctor-") as folder:
        source = Path(folder, "try.cpp")
        source.write_text(_PROGRAM)
        options = ["-fopenmp", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}"]
        built = subprocess.run(
            [compiler, *options, str(source), "-o", str(source.with_suffix(".so"))],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    if built.returncode != 0:
        complaints = [line for line in built.stderr.splitlines() if "error" in line] or built.stderr.splitlines()
        yield _no_compiler(
            f"{compiler} cannot build an OpenMP program for Python: {complaints[0] if complaints else ''}"
        )
        return
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, timeout=10).stdout.strip()
    yield AREA.ok("compiler", f"{compiler} {version}, with OpenMP and Python's headers")


def _no_compiler(found: str) -> Finding:
    return AREA.warning(
        "compiler", found, "torch.compile builds its loops with it: compiled backends fail on the CPU",
        "install g++ and Python's headers (Debian: g++ python3-dev), load your cluster's compiler module, or set CXX",
    )  # fmt: skip
