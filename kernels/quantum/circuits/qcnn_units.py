"""The quantum convolutional network's two-qubit units: which there are, in what order, and the gates of one.

Units after Vatan and Williams, Phys. Rev. A 69, 032315 (2004), arranged as in Cong, Choi and Lukin, Nature Physics 15,
1273 (2019): convolution around a ring of the live qubits, then pooling that halves them, until one is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import NamedTuple

from kernels.quantum.circuits.circuit import Gate, Parameter


class Unit(NamedTuple):
    """Three weights on qubits ``a`` and ``b``; a pooling unit leaves out the last two gates of a convolution's."""

    pools: bool
    a: int
    b: int


def layer_units(qubits: int) -> list[Unit]:
    """The network's units in order, for two qubits or more.

    A layer on m qubits convolves them, m units, then its first m // 2 qubits are pooled, one each, into its last
    m // 2, and leave. Eight qubits make 21 units.
    """
    units: list[Unit] = []
    live = list(range(qubits))
    while len(live) > 1:
        size = len(live)
        units += convolution(live)
        units += [Unit(True, live[i], live[size - size // 2 + i]) for i in range(size // 2)]
        live = live[size // 2 :]
    return units


def convolution(live: Sequence[int]) -> list[Unit]:
    """Units on pairs (0,1), (2,3), ..., then (1,2), (3,4), ..., then around the end: as many as there are qubits."""
    starts = [*range(0, len(live) - 1, 2), *range(1, len(live) - 1, 2), len(live) - 1]
    return [Unit(False, live[start], live[(start + 1) % len(live)]) for start in starts]


def unit_gates(unit: Unit, angles: Sequence[float | Parameter]) -> list[Gate]:
    """A unit's gates, up to a phase, by its three angles in radians.

    Vatan and Williams, figure 6: those of a convolution are ``exp(i (x XX + y YY + z ZZ))`` where the angles are
    ``pi/2 - 2z, 2x - pi/2, pi/2 - 2y``.
    """
    pools, a, b = unit
    first, second, third = angles
    gates = [Gate("rz", (b,), -pi / 2), Gate("cx", (b, a)), Gate("rz", (a,), first), Gate("ry", (b,), second)]
    gates += [Gate("cx", (a, b)), Gate("ry", (b,), third)]
    return gates if pools else [*gates, Gate("cx", (b, a)), Gate("rz", (a,), pi / 2)]


def network_gates(units: Sequence[Unit]) -> list[Gate]:
    """The units' gates in order; unit u takes the parameters 3 u to 3 u + 2."""
    return [
        gate
        for index, unit in enumerate(units)
        for gate in unit_gates(unit, [Parameter(3 * index + place) for place in range(3)])
    ]


def count_flops(units: int, qubits: int, samples: int, gradient: bool) -> int:
    """Of so many units on so many samples' states, without the encoding.

    A unit is a complex product of four by four on all amplitudes, 32 flops for each. For the gradient it is undone on
    the state and on the state's gradient, and both are multiplied: see `qcnn.loops`.
    """
    return 32 * units * (4 if gradient else 1) * samples << qubits
