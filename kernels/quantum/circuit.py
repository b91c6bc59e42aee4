"""Circuits as data: a list of gates on qubits, with fixed angles or parameters, and the families the kernels use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.api import InputError
from kernels.quantum.gates import KINDS


class Parameter(NamedTuple):
    """An angle given when the circuit runs: its ``place`` among the circuit's angles."""

    place: int


class Gate(NamedTuple):
    """One gate. ``angle`` is in radians, a `Parameter`, or None for a gate that takes none.

    ``qubits`` stand in the order of `kernels.quantum.gates.KINDS`: the control before the target.
    """

    name: str
    qubits: tuple[int, ...]
    angle: float | Parameter | None = None


@dataclass(frozen=True)
class Circuit:
    """Gates applied from left to right to ``qubits`` qubits that start in ``|0...0>``.

    Raises `InputError` for a gate that does not exist, has the wrong number of qubits or angles, or acts on a qubit
    outside the circuit or twice on one.
    """

    qubits: int
    gates: tuple[Gate, ...]

    def __post_init__(self) -> None:
        for position, gate in enumerate(self.gates):
            fault = _fault(gate, self.qubits)
            if fault:
                raise InputError(f"circuit: gate {position} ({gate.name}): {fault}")

    @property
    def parameters(self) -> int:
        """How many angles the circuit takes when it runs."""
        return 1 + max((gate.angle.place for gate in self.gates if isinstance(gate.angle, Parameter)), default=-1)

    def bind(self, angles: Sequence[float] | NDArray[np.float64]) -> Iterator[tuple[str, tuple[int, ...], float]]:
        """The gates with their angles in radians filled in; 0.0 for a gate that takes none."""
        for name, qubits, angle in self.gates:
            yield name, qubits, float(angles[angle.place] if isinstance(angle, Parameter) else angle or 0.0)


def _fault(gate: Gate, qubits: int) -> str | None:
    kind = KINDS.get(gate.name)
    if kind is None:
        return f"no such gate; there are {', '.join(KINDS)}"
    if len(gate.qubits) != kind.qubits or len(set(gate.qubits)) != kind.qubits:
        return f"found qubits {gate.qubits}; it acts on {kind.qubits} different ones"
    if not all(0 <= qubit < qubits for qubit in gate.qubits):
        return f"found qubits {gate.qubits}; the circuit has 0 to {qubits - 1}"
    if (gate.angle is not None) != kind.has_angle:
        return f"found angle {gate.angle}; it takes {'one' if kind.has_angle else 'none'}"
    return None


def hardware_efficient(qubits: int, depth: int) -> Circuit:
    """The hardware-efficient ansatz: ``depth`` layers of RY and RZ on each qubit, then CNOTs around a ring.

    After Kandala et al., Nature 549, 242 (2017), with the ring as entangler: CNOT(0,1), CNOT(1,2), ..., CNOT(n-1,0).
    It takes ``2 * qubits * depth`` angles: for each layer and qubit the RY angle, then the RZ angle.
    """
    gates = []
    for layer in range(depth):
        for qubit in range(qubits):
            index = 2 * (layer * qubits + qubit)
            gates += [Gate("ry", (qubit,), Parameter(index)), Gate("rz", (qubit,), Parameter(index + 1))]
        gates += [Gate("cx", (qubit, (qubit + 1) % qubits)) for qubit in range(qubits)]
    return Circuit(qubits, tuple(gates))


def ghz(qubits: int) -> Circuit:
    """``(|0...0> + |1...1>) / sqrt(2)``."""
    return Circuit(qubits, (Gate("h", (0,)), *(Gate("cx", (q, q + 1)) for q in range(qubits - 1))))


def qft(qubits: int) -> Circuit:
    """The quantum Fourier transform, ``|j> -> sum_k exp(2 pi i j k / 2^n) |k> / sqrt(2^n)``.

    Nielsen and Chuang (2010), figure 5.1, with the swaps that restore the order of the qubits.
    """
    gates = []
    for target in reversed(range(qubits)):
        gates.append(Gate("h", (target,)))
        gates += [Gate("cp", (control, target), pi / 2 ** (target - control)) for control in reversed(range(target))]
    gates += [Gate("swap", (q, qubits - 1 - q)) for q in range(qubits // 2)]
    return Circuit(qubits, tuple(gates))
