"""State vectors, quantum neural networks and the kernels that measure them.

``from kernels.quantum import QCNN`` gives the quantum convolutional network as a ``torch.nn.Module``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernels.quantum.circuit import Circuit, Gate, Parameter
    from kernels.quantum.qcnn import QCNN
    from kernels.quantum.statevector import Simulator

__all__ = ["QCNN", "Circuit", "Gate", "Parameter", "Simulator"]

_HOMES = {"QCNN": "qcnn", "Circuit": "circuit", "Gate": "circuit", "Parameter": "circuit", "Simulator": "statevector"}


def __getattr__(name: str) -> Any:
    # torch takes more than a second to import: only those who use it wait for it
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
