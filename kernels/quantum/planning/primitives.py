"""Every gate as an exact product of three primitives, which is what makes gates easy to fuse.

A rotation RY of one qubit is real, a phase that depends on the parity of some qubits is diagonal, and a CNOT moves
amplitudes by a permutation that is linear over GF(2). They generate all unitaries: RZ is a phase, and RZ, RY and CNOT
are universal (Nielsen and Chuang (2010), section 4.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import pi
from typing import NamedTuple

from kernels.quantum.circuits.circuit import Gate, Parameter


class Angle(NamedTuple):
    """``scale * angles[parameter] + constant``, in radians; ``parameter`` is 0 where the scale is 0."""

    parameter: int
    scale: float
    constant: float

    def times(self, factor: float) -> Angle:
        """The angle, multiplied."""
        return Angle(self.parameter, factor * self.scale, factor * self.constant)


class Rotation(NamedTuple):
    """RY of one qubit."""

    qubits: tuple[int]
    angle: Angle


class Phase(NamedTuple):
    """``exp(-i angle/2 (-1)^p)``, p the parity of the qubits: RZ for one, RZZ for two, a global phase for none."""

    qubits: tuple[int, ...]
    angle: Angle


class Move(NamedTuple):
    """CNOT of control and target."""

    qubits: tuple[int, int]


Primitive = Rotation | Phase | Move

# P(t) by these angles for the gates that take none
_SHIFTS = {"z": pi, "s": pi / 2, "t": pi / 4, "sdg": -pi / 2, "tdg": -pi / 4}


def lower(gate: Gate) -> list[Primitive]:
    """The gate as primitives in order of application, exact including the global phase."""
    first, last = gate.qubits[0], gate.qubits[-1]
    angle = Angle(gate.angle.place, 1.0, 0.0) if isinstance(gate.angle, Parameter) else _fixed(gate.angle or 0.0)
    match gate.name:
        case "id":
            return []
        case "rz" | "rzz":
            return [Phase(gate.qubits, angle)]
        case "p" | "cp":
            return _shift(gate.qubits, angle)
        case "z" | "s" | "t" | "sdg" | "tdg":
            return _shift(gate.qubits, _fixed(_SHIFTS[gate.name]))
        case "cz":
            return _shift(gate.qubits, _fixed(pi))
        case "crz":
            return [Phase((last,), angle.times(0.5)), Phase((first, last), angle.times(-0.5))]
        case "cx":
            return [Move((first, last))]
        case "swap":
            return [Move((first, last)), Move((last, first)), Move((first, last))]
        case "x" | "y" | "h" | "sx" | "rx" | "ry":
            return _turn(gate.name, first, angle)
        case "cy" | "crx" | "cry" | "ccx":
            return _controlled(gate, angle)
    raise NotImplementedError(f"gate {gate.name} has no primitives")


def _fixed(value: float) -> Angle:
    return Angle(0, 0.0, value)


def _shift(qubits: tuple[int, ...], angle: Angle) -> list[Primitive]:
    """``exp(i angle)`` where all the qubits are 1.

    The product of k bits is the sum, over their subsets, of the subset's parity times ``(-1)^(size - 1) / 2^(k - 1)``.
    """
    primitives: list[Primitive] = []
    for size in range(1, len(qubits) + 1):
        for subset in combinations(qubits, size):
            part = angle.times((-1) ** (size - 1) / 2 ** (len(qubits) - 1))
            primitives += [Phase(subset, part), Phase((), part.times(-1))]
    return primitives


def _turn(name: str, qubit: int, angle: Angle) -> list[Primitive]:
    match name:
        case "ry":
            return [Rotation((qubit,), angle)]
        case "rx":
            quarter = _fixed(pi / 2)
            return [Phase((qubit,), quarter), Rotation((qubit,), angle), Phase((qubit,), quarter.times(-1))]
        case "sx":
            return [*_turn("rx", qubit, _fixed(pi / 2)), Phase((), _fixed(-pi / 2))]
        case "h":
            return [*_shift((qubit,), _fixed(pi)), Rotation((qubit,), _fixed(pi / 2))]
        case "x":
            return [*_shift((qubit,), _fixed(pi)), Rotation((qubit,), _fixed(pi))]
    return [Phase((), _fixed(-pi)), Rotation((qubit,), _fixed(pi))]


def _controlled(gate: Gate, angle: Angle) -> list[Primitive]:
    """``V controlled-D V^-1``, D diagonal or a pair of opposite turns."""
    control, target = gate.qubits[0], gate.qubits[-1]
    turn = _turn("h", target, angle)
    match gate.name:
        case "cry":
            move = Move((control, target))
            return [Rotation((target,), angle.times(0.5)), move, Rotation((target,), angle.times(-0.5)), move]
        case "cy":
            return [*_shift((target,), _fixed(-pi / 2)), Move((control, target)), *_shift((target,), _fixed(pi / 2))]
        case "crx":
            return [*turn, Phase((target,), angle.times(0.5)), Phase((control, target), angle.times(-0.5)), *turn]
    return [*turn, *_shift(gate.qubits, _fixed(pi)), *turn]


def collect(primitives: Sequence[Primitive], take: Callable[[Primitive], bool], qubits: int) -> list[Primitive]:
    """Offer primitives to ``take``, in order, and return those that it does not take or that must not come so early.

    A primitive passes those left behind that it commutes with on each qubit: each is a function of one Pauli matrix
    there.
    """
    left = [0, 0, 0]
    rest: list[Primitive] = []
    for position, primitive in enumerate(primitives):
        x, y, z = left
        # on these qubits nothing passes any more
        closed = x & y | y & z | z & x
        if closed == (1 << qubits) - 1:
            return rest + list(primitives[position:])
        axes = _axes(primitive)
        barred = axes[0] & (y | z) or axes[1] & (z | x) or axes[2] & (x | y)
        if barred or not take(primitive):
            left = [mask | axis for mask, axis in zip(left, axes, strict=True)]
            rest.append(primitive)
    return rest


def _axes(primitive: Primitive) -> tuple[int, int, int]:
    """The qubits, as masks, on which a primitive is a function of X, of Y and of Z."""
    if isinstance(primitive, Move):
        control, target = primitive.qubits
        return 1 << target, 0, 1 << control
    mask = mask_of(primitive.qubits)
    return (0, mask, 0) if isinstance(primitive, Rotation) else (0, 0, mask)


def mask_of(qubits: Sequence[int]) -> int:
    """The number with ones at these places."""
    return sum(1 << qubit for qubit in qubits)
