"""What one sweep does: turns and phases, collected from primitives. See `planning.fusion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kernels.quantum.planning import layouts
from kernels.quantum.planning.primitives import Angle, Move, Phase, Primitive, collect


class Turn(NamedTuple):
    """RY of a qubit, as addresses from before the sweep's CNOTs see it.

    It rotates the amplitudes at ``a`` and ``a ^ flips``, of which the one with an even number of ones in
    ``a & parity`` is the qubit's |0>. Without CNOTs before it both masks are the qubit's bit.
    """

    flips: int
    parity: int
    angle: Angle


@dataclass
class Step:
    """Turns that leave each other's parities alone, then phases: pairs of the mask of a parity and the angle."""

    turns: list[Turn] = field(default_factory=list)
    phases: list[tuple[int, Angle]] = field(default_factory=list)


class Collector:
    """Takes from a list of primitives, in order, those that one sweep can do.

    A primitive that cannot be taken bars those that come later and do not commute with it. The parity of the qubits in
    ``parities[q]``, before the sweep's CNOTs, is qubit q after them; a flip of q after is one of ``flips[q]`` before.
    """

    def __init__(self, qubits: int, most_rows: int, *, rows: int = 0, avoid: int = 0, product: bool = False) -> None:
        self.most_rows = most_rows
        self.avoid = avoid
        self.product = product
        self.rows = rows
        self.acquired: list[int] = []
        self.steps: list[Step] = []
        self.parities = [1 << qubit for qubit in range(qubits)]
        self.flips = [1 << qubit for qubit in range(qubits)]

    def collect(self, primitives: Sequence[Primitive]) -> list[Primitive]:
        """Take what can be taken and return the rest."""
        return collect(primitives, self.take, len(self.parities))

    def take(self, primitive: Primitive) -> bool:
        """Take one that comes after all taken before, if it can be."""
        if isinstance(primitive, Move):
            control, target = primitive.qubits
            self.parities[target] ^= self.parities[control]
            self.flips[control] ^= self.flips[target]
            return True
        parity = 0
        for qubit in primitive.qubits:
            parity ^= self.parities[qubit]
        if isinstance(primitive, Phase):
            if self.product and parity.bit_count() > 1:
                return False
            self._add_phase(parity, primitive.angle)
            return True
        flips = self.flips[primitive.qubits[0]]
        reach = flips | parity
        rows = self.rows | reach
        if rows.bit_count() > self.most_rows or reach & self.avoid or (self.product and reach.bit_count() > 1):
            return False
        self.acquired += layouts.bits(rows & ~self.rows)
        self.rows = rows
        self._add_turn(Turn(flips, parity, primitive.angle))
        return True

    def _add_phase(self, parity: int, angle: Angle) -> None:
        index = 0
        for place, step in enumerate(self.steps):
            if any((turn.flips & parity).bit_count() & 1 for turn in step.turns):
                index = place
        self._step(index).phases.append((parity, angle))

    def _add_turn(self, new: Turn) -> None:
        index = 0
        for place, step in enumerate(self.steps):
            disturbed = any((mask & new.flips).bit_count() & 1 for mask, _ in step.phases)
            if disturbed or any(_clash(turn, new) for turn in step.turns):
                index = place + 1
        self._step(index).turns.append(new)

    def _step(self, index: int) -> Step:
        while len(self.steps) <= index:
            self.steps.append(Step())
        return self.steps[index]


def _clash(one: Turn, other: Turn) -> bool:
    """Whether one's flips change the other's parity: then they are not turns of different qubits in any frame."""
    return bool((one.flips & other.parity).bit_count() & 1 or (other.flips & one.parity).bit_count() & 1)
