"""The gates: their names, how many qubits and angles they take, and their unitary matrices.

The definitions are those of Nielsen and Chuang, "Quantum Computation and Quantum Information" (2010), section 4.2:
``RX, RY, RZ(t) = exp(-i t/2 {X, Y, Z})``, ``P(t) = diag(1, exp(i t))``. Qubit q is bit q of a basis state's index
(little-endian); in a gate's matrix its first qubit is the least significant bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complexfloating]


class GateKind(NamedTuple):
    """How many qubits a gate acts on, whether it takes an angle, and its matrix given that angle in radians."""

    qubits: int
    has_angle: bool
    matrix: Callable[[float], Matrix]


def matrix(name: str, angle: float = 0.0) -> Matrix:
    """The unitary of a gate, complex128 of shape (2**qubits, 2**qubits); ``angle`` in radians, if it takes one."""
    return KINDS[name].matrix(angle)


def _rotation(pauli: Matrix) -> Callable[[float], Matrix]:
    identity = np.eye(len(pauli))
    return lambda angle: np.cos(angle / 2) * identity - 1j * np.sin(angle / 2) * pauli


def _phase(angle: float) -> Matrix:
    return np.diag([1, np.exp(1j * angle)])


def _controlled(gate: Callable[[float], Matrix]) -> Callable[[float], Matrix]:
    def controlled(angle: float) -> Matrix:
        # the control is the first qubit, the less significant bit: odd indices see the gate
        target = gate(angle)
        unitary = np.eye(2 * len(target), dtype=complex)
        unitary[1::2, 1::2] = target
        return unitary

    return controlled


def _constant(values: list[list[complex]]) -> Callable[[float], Matrix]:
    unitary = np.array(values, dtype=complex)
    return lambda angle: unitary


_X = _constant([[0, 1], [1, 0]])
_Y = _constant([[0, -1j], [1j, 0]])
_Z = _constant([[1, 0], [0, -1]])
_H = _constant([[2**-0.5, 2**-0.5], [2**-0.5, -(2**-0.5)]])
_SWAP = _constant([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])

KINDS: dict[str, GateKind] = {
    "id": GateKind(1, False, _constant([[1, 0], [0, 1]])),
    "x": GateKind(1, False, _X),
    "y": GateKind(1, False, _Y),
    "z": GateKind(1, False, _Z),
    "h": GateKind(1, False, _H),
    "s": GateKind(1, False, _constant([[1, 0], [0, 1j]])),
    "t": GateKind(1, False, _constant([[1, 0], [0, np.exp(0.25j * np.pi)]])),
    "sdg": GateKind(1, False, _constant([[1, 0], [0, -1j]])),
    "tdg": GateKind(1, False, _constant([[1, 0], [0, np.exp(-0.25j * np.pi)]])),
    "sx": GateKind(1, False, _constant([[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]])),
    "rx": GateKind(1, True, _rotation(_X(0))),
    "ry": GateKind(1, True, _rotation(_Y(0))),
    "rz": GateKind(1, True, _rotation(_Z(0))),
    "p": GateKind(1, True, _phase),
    "cx": GateKind(2, False, _controlled(_X)),
    "cz": GateKind(2, False, _controlled(_Z)),
    "cy": GateKind(2, False, _controlled(_Y)),
    "cp": GateKind(2, True, _controlled(_phase)),
    "crx": GateKind(2, True, _controlled(_rotation(_X(0)))),
    "cry": GateKind(2, True, _controlled(_rotation(_Y(0)))),
    "crz": GateKind(2, True, _controlled(_rotation(_Z(0)))),
    "rzz": GateKind(2, True, _rotation(np.kron(_Z(0), _Z(0)))),
    "swap": GateKind(2, False, _SWAP),
    "ccx": GateKind(3, False, _controlled(_controlled(_X))),
}
