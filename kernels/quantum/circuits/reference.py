"""The independent reference: textbook gate matrices, one gate at a time, in complex128.

It shares nothing with the engine but the circuit: no fusion, no primitives, no compiled loops.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.circuits.gates import Matrix, matrix


def simulate(circuit: Circuit, angles: Sequence[float] | NDArray[np.float64] = ()) -> torch.Tensor:
    """The final state, complex128 of shape (2**qubits,), from angles in radians; qubit q is bit q of the index."""
    state = torch.zeros((2,) * circuit.qubits, dtype=torch.complex128)
    state.view(-1)[0] = 1
    for name, qubits, angle in circuit.bind(angles):
        _apply(state, matrix(name, angle), [circuit.qubits - 1 - qubit for qubit in qubits])
    return state.view(-1)


def _apply(state: torch.Tensor, unitary: Matrix, axes: list[int]) -> None:
    """Multiply, in place, the slices that the axes' bits tell apart by a (2, 2) or (4, 4) matrix."""
    slices = []
    for index in range(len(unitary)):
        place: list[slice | int] = [slice(None)] * state.dim()
        for bit, axis in enumerate(axes):
            place[axis] = index >> bit & 1
        slices.append(state[tuple(place)])
    results = {}
    for row, coefficients in enumerate(unitary.tolist()):
        terms = [(factor, column) for column, factor in enumerate(coefficients) if factor]
        # a slice that stays as it is needs no work: most of a CNOT
        if terms != [(1, row)]:
            (factor, column), *rest = terms
            results[row] = factor * slices[column]
            for factor, column in rest:
                results[row].add_(slices[column], alpha=factor)
    for row, result in results.items():
        slices[row].copy_(result)


def expectations(state: torch.Tensor) -> torch.Tensor:
    """``<Z_q>`` of every qubit of one state, float64 of shape (qubits,)."""
    qubits = state.numel().bit_length() - 1
    probabilities = state.abs().square()
    halves = [probabilities.view(-1, 2, 1 << qubit).sum(dim=(0, 2)) for qubit in range(qubits)]
    return torch.stack([zero - one for zero, one in halves])
