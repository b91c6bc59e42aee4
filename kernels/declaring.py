"""What declarations of kernels share: where a backend lies, what it needs, what may be asked of it, how it grows.

Everything here answers without importing what a backend runs on, so that kernels can be listed where nothing is
installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import msgspec

from kernels.api import InputError, Workload


def imported(target: str, *arguments: Any) -> Callable[[Any, Any, str], Workload]:
    """A ``Backend.workload`` that lies at "package.module:Class" and is imported when it is asked for.

    So that listing kernels loads none of what they run on. ``arguments`` follow the parameters, the communicator and
    the device.
    """
    module, _, name = target.partition(":")

    def prepare(parameters: Any, comm: Any, device: str) -> Workload:
        workload: Workload = getattr(importlib.import_module(module), name)(parameters, comm, device, *arguments)
        return workload

    return prepare


def growing(field: str) -> Callable[[Any, int], Any]:
    """A ``Kernel.grow`` for weak scaling in which this parameter is a rank's share."""
    return lambda parameters, ranks: msgspec.structs.replace(parameters, **{field: getattr(parameters, field) * ranks})


def check_shares(kernel: str, field: str, parameters: Any, ranks: int) -> None:
    """Raise `InputError` where a parameter counts what is divided over the ranks, and there is not one for each."""
    found = getattr(parameters, field)
    if found < ranks:
        raise InputError(
            f"kernel {kernel}: parameter {field}: {found} cannot be divided over {ranks} ranks; "
            f"right would be {field}={ranks} or more"
        )


def check_at_most(kernel: str, field: str, whole: str, parameters: Any) -> None:
    """Raise `InputError` where a parameter is larger than another, the whole that it is a part of."""
    found, most = getattr(parameters, field), getattr(parameters, whole)
    if found > most:
        raise InputError(f"kernel {kernel}: parameter {field}: found {found}; right would be at most {whole}={most}")


def cpu_only(reason: str) -> Callable[[str], str | None]:
    """A ``Backend.missing`` of what runs on the CPU alone, for this reason."""
    return lambda device: None if device == "cpu" else f"{reason}; ask for --device cpu"


def needs(*modules: str, extra: str) -> Callable[[str], str | None]:
    """A ``Backend.missing`` that asks for importable modules and names the extra that brings them."""

    def missing(device: str) -> str | None:
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        return f"needs {', '.join(absent)}: pip install 'scalemark[{extra}]'" if absent else None

    return missing
