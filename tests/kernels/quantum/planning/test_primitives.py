from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from kernels.quantum.circuits.circuit import Gate, Parameter
from kernels.quantum.circuits.gates import KINDS, matrix
from kernels.quantum.planning.primitives import Move, Primitive, Rotation, lower

ANGLE = 0.7


def _matrix(primitive: Primitive, qubits: int) -> np.ndarray:
    """From the primitive's definition, on one or two qubits."""
    states = np.arange(1 << qubits)
    if isinstance(primitive, Move):
        control, target = primitive.qubits
        return np.eye(len(states))[states ^ ((states >> control & 1) << target)]
    angle = primitive.angle.scale * ANGLE + primitive.angle.constant
    if isinstance(primitive, Rotation):
        (qubit,) = primitive.qubits
        return np.kron(np.eye(1 << qubits - 1 - qubit), np.kron(matrix("ry", angle), np.eye(1 << qubit)))
    parity = sum(states >> qubit & 1 for qubit in primitive.qubits) % 2
    return np.diag(np.exp(-0.5j * angle * (1 - 2 * parity) * np.ones(len(states))))


@pytest.mark.parametrize("name", KINDS)
def test_primitives_multiply_to_the_gate_and_its_global_phase(name: str):
    kind = KINDS[name]
    gate = Gate(name, tuple(range(kind.qubits)), Parameter(0) if kind.has_angle else None)
    product = reduce(
        lambda unitary, primitive: _matrix(primitive, kind.qubits) @ unitary, lower(gate), np.eye(2**kind.qubits)
    )
    # a dozen factors, each with a unit or two in the last place
    np.testing.assert_allclose(product, matrix(name, ANGLE), atol=1e-14, rtol=0)
