"""Every gate as an exact product of three primitives, which is what makes gates easy to fuse.

A rotation RY of one qubit is real, a phase that depends on the parity of some qubits is diagonal, and a CNOT moves
amplitudes by a permutation that is linear over GF(2). They generate all unitaries: RZ is a phase, and RZ, RY and CNOT
are universal (Nielsen and Chuang (2010), section 4.5).
"""

from __future__ import annotations

from math import pi
from typing import NamedTuple

from kernels.quantum.circuit import Gate, Parameter


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

# P is the phase of RZ, and a global one: by these angles for the gates that take none
_SHIFTS = {"z": pi, "s": pi / 2, "t": pi / 4}


def lower(gate: Gate) -> list[Primitive]:
    """The gate as primitives in order of application, exact including the global phase."""
    first, last = gate.qubits[0], gate.qubits[-1]
    angle = Angle(gate.angle.place, 1.0, 0.0) if isinstance(gate.angle, Parameter) else _fixed(gate.angle or 0.0)
    match gate.name:
        case "ry":
            return [Rotation((first,), angle)]
        case "rz" | "rzz":
            return [Phase(gate.qubits, angle)]
        case "rx":
            return [Phase((first,), _fixed(pi / 2)), Rotation((first,), angle), Phase((first,), _fixed(-pi / 2))]
        case "p":
            return _shift(first, angle)
        case "z" | "s" | "t":
            return _shift(first, _fixed(_SHIFTS[gate.name]))
        case "h":
            return [*_shift(first, _fixed(pi)), Rotation((first,), _fixed(pi / 2))]
        case "x":
            return [*_shift(first, _fixed(pi)), Rotation((first,), _fixed(pi))]
        case "y":
            return [Phase((), _fixed(-pi)), Rotation((first,), _fixed(pi))]
        case "cx":
            return [Move((first, last))]
        case "swap":
            return [Move((first, last)), Move((last, first)), Move((first, last))]
        case "cp":
            return _controlled_shift(first, last, angle)
        case "cz":
            return _controlled_shift(first, last, _fixed(pi))
    raise NotImplementedError(f"gate {gate.name} has no primitives")


def _fixed(value: float) -> Angle:
    return Angle(0, 0.0, value)


def _shift(qubit: int, angle: Angle) -> list[Primitive]:
    return [Phase((qubit,), angle), Phase((), angle.times(-1))]


def _controlled_shift(first: int, second: int, angle: Angle) -> list[Primitive]:
    # ab = (a + b - (a xor b)) / 2 for bits a and b, and so for the phases they turn on
    half = angle.times(0.5)
    parity = [Phase((first, second), half.times(-1)), Phase((), half)]
    return [*_shift(first, half), *_shift(second, half), *parity]
