"""Circuits as data: a list of gates on qubits, with fixed angles or parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.api import InputError
from kernels.quantum.circuits.gates import KINDS


class Parameter(NamedTuple):
    """An angle given when the circuit runs: its ``place`` among the circuit's angles."""

    place: int


class Gate(NamedTuple):
    """One gate. ``angle`` is in radians, a `Parameter`, or None for a gate that takes none.

    ``qubits`` stand in the order of `circuits.gates.KINDS`: the control before the target.
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

    @cached_property
    def parameters(self) -> int:
        """How many angles the circuit takes when it runs."""
        return 1 + max((gate.angle.place for gate in self.gates if isinstance(gate.angle, Parameter)), default=-1)

    def batch(self, angles: ArrayLike) -> NDArray[np.float64]:
        """Angles as float64 (batch, parameters), of which one dimension means a batch of one.

        Raises `InputError` if their number is not the circuit's.
        """
        checked = np.atleast_2d(np.asarray(angles, dtype=np.float64))
        if checked.shape[1] != self.parameters:
            raise InputError(f"angles: found {checked.shape[1]} a circuit; this one takes {self.parameters}")
        return checked

    @property
    def depth(self) -> int:
        """The longest chain of gates of which each shares a qubit with the next."""
        levels = [0] * self.qubits
        for gate in self.gates:
            level = 1 + max(levels[qubit] for qubit in gate.qubits)
            for qubit in gate.qubits:
                levels[qubit] = level
        return max(levels, default=0)

    @property
    def entangling_gates(self) -> int:
        """How many gates act on two qubits or more."""
        return sum(len(gate.qubits) > 1 for gate in self.gates)

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
