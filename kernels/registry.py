"""Names to kernels. A kernel's module is imported only when it is asked for.

A user's own kernels join through the environment: ``SCALEMARK_KERNELS="name=package.module:KERNEL"``, several
separated by commas.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys

from kernels.api import InputError, Kernel

_BUILT_IN = {
    "allreduce": "kernels.communication.allreduce:KERNEL",
    "input_pipeline": "kernels.data.input_pipeline:KERNEL",
    "mtl_step": "kernels.training.mtl_step:KERNEL",
    "circuit_sim": "kernels.quantum.circuit_sim:KERNEL",
    "qcnn_layer": "kernels.quantum.qcnn_layer:KERNEL",
    "calibrate": "kernels.calibration.calibrate:KERNEL",
}

# measured only by the suite's own benchmarks, so neither listed nor swept unless named
_HIDDEN = {"nothing": "kernels.nothing:KERNEL"}


def names() -> list[str]:
    """The kernels a user can measure, built-in ones first."""
    return [*_BUILT_IN, *_from_environment()]


def all_names() -> set[str]:
    """Every name that `load` knows, also what `names` does not show."""
    return {*_BUILT_IN, *_HIDDEN, *_from_environment()}


def load(name: str) -> Kernel:
    """The kernel of that name; raises `InputError` with the nearest names when there is none."""
    targets = _BUILT_IN | _HIDDEN | _from_environment()
    if name not in targets:
        near = difflib.get_close_matches(name, targets, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}"
        raise InputError(f"no kernel {name!r}; {hint}")
    module, _, attribute = targets[name].partition(":")
    if name not in _BUILT_IN | _HIDDEN:
        return _load_foreign(name, module, attribute)
    kernel: Kernel = getattr(importlib.import_module(module), attribute)
    return kernel


def _load_foreign(name: str, module: str, attribute: str) -> Kernel:
    """A user's own kernel, also from a module that lies in the working directory."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        kernel: Kernel = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"SCALEMARK_KERNELS: {name}={module}:{attribute}: {error}") from error
    return kernel


def _from_environment() -> dict[str, str]:
    entries = filter(None, os.environ.get("SCALEMARK_KERNELS", "").split(","))
    targets = {}
    for entry in entries:
        name, _, target = entry.partition("=")
        if not (name and ":" in target):
            raise InputError(f"SCALEMARK_KERNELS: found {entry!r}; right would be name=package.module:KERNEL")
        targets[name.strip()] = target.strip()
    return targets
