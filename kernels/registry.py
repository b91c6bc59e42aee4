"""Names to kernels. A kernel's module is imported only when it is asked for.

A user's own kernels join through the environment: ``SCALEMARK_KERNELS="name=package.module:KERNEL"``, several
separated by commas.
"""

from __future__ import annotations

import importlib
import os
import sys
from traceback import extract_tb

from kernels.api import InputError, Kernel
from kernels.explain import suggest

_BUILT_IN = {
    "allreduce": "kernels.communication.allreduce:KERNEL",
    "sparse_allreduce": "kernels.communication.sparse_allreduce:KERNEL",
    "gradient_exchange": "kernels.communication.gradient_exchange:KERNEL",
    "input_pipeline": "kernels.data.input_pipeline:KERNEL",
    "tensile_fem": "kernels.material.tensile_fem:KERNEL",
    "mtl_step": "kernels.training.mtl_step:KERNEL",
    "material_identification": "kernels.training.material_identification:KERNEL",
    "parallel_training": "kernels.training.parallel_training:KERNEL",
    "load_balancing": "kernels.training.load_balancing:KERNEL",
    "horovod_resnet": "kernels.training.horovod_resnet:KERNEL",
    "circuit_sim": "kernels.quantum.circuit_sim:KERNEL",
    "qcnn_layer": "kernels.quantum.qcnn_layer:KERNEL",
    "quantum_pde": "kernels.quantum.studies.quantum_pde:KERNEL",
    "quantum_images": "kernels.quantum.studies.quantum_images:KERNEL",
    "calibrate": "kernels.calibration.calibrate:KERNEL",
}

# measured only by the suite's own benchmarks, so neither listed nor swept unless named
_HIDDEN = {"nothing": "kernels.nothing:KERNEL"}

# their frames say nothing of where a user's module fails
_IMPORTING = (__file__, importlib.__file__)


def names() -> list[str]:
    """The kernels a user can measure, built-in ones first."""
    return [*_BUILT_IN, *_from_environment()]


def all_names() -> set[str]:
    """Every name that `load` knows, also what `names` does not show."""
    return {*_BUILT_IN, *_HIDDEN, *_from_environment()}


def load(name: str) -> Kernel:
    """The kernel of that name; raises `InputError` with the nearest name and all when there is none."""
    targets = _BUILT_IN | _HIDDEN | _from_environment()
    if name not in targets:
        raise InputError(f"no kernel {name!r}; {suggest(name, names())}")
    module, _, attribute = targets[name].partition(":")
    if name not in _BUILT_IN | _HIDDEN:
        return _load_foreign(name, module, attribute)
    kernel: Kernel = getattr(importlib.import_module(module), attribute)
    return kernel


def _load_foreign(name: str, module: str, attribute: str) -> Kernel:
    """A user's own kernel, also from a module that lies in the working directory."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    entry = f"SCALEMARK_KERNELS: {name}={module}:{attribute}"
    try:
        kernel = getattr(importlib.import_module(module), attribute)
    # a user's module may raise anything
    except Exception as error:
        raise InputError(f"{entry}: {_locate(error)}{type(error).__name__}: {' '.join(str(error).split())}") from error
    if not isinstance(kernel, Kernel):
        raise InputError(f"{entry}: found {type(kernel).__name__}; right would be a kernels.api.Kernel")
    return kernel


def _locate(error: Exception) -> str:
    """Where it was raised, as ``FILE:LINE: ``; empty where only the import system is to tell."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: "
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    places = [f"{frame.filename}:{frame.lineno}: " for frame in frames if frame.filename not in _IMPORTING]
    return places[-1] if places else ""


def _from_environment() -> dict[str, str]:
    entries = filter(None, os.environ.get("SCALEMARK_KERNELS", "").split(","))
    targets = {}
    for entry in entries:
        name, _, target = entry.partition("=")
        if not (name and ":" in target):
            raise InputError(f"SCALEMARK_KERNELS: found {entry!r}; right would be name=package.module:KERNEL")
        targets[name.strip()] = target.strip()
    return targets
