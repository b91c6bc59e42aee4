"""Gate fusion: a circuit becomes a few sweeps over the state vector.

All rotations and phases (see `kernels.quantum.primitives`) of a chosen set of qubits, the rows of a sweep, are applied
to a tile of the state while it stays in cache. Any number of CNOTs, and the change of qubit order that brings the next
sweep's rows together, then only decide the addresses at which the tile is written. The state moves through memory once
a sweep instead of once a gate. The leading gates act on a product state, which is written directly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.quantum.circuit import Circuit
from kernels.quantum.primitives import Angle, Move, Phase, Primitive, Rotation, lower


@dataclass
class Step:
    """Rotations of different qubits, then phases; ``phases`` pairs the mask of a parity's qubits with the angle."""

    rotations: dict[int, Angle] = field(default_factory=dict)
    phases: list[tuple[int, Angle]] = field(default_factory=list)


class Sweep(NamedTuple):
    """One pass over the state: steps on tiles, then a permutation.

    Address a of the state is ``(row << columns) | column``. In ``steps`` qubit and mask bits count row bits. The
    amplitude of (row, column) goes to address ``row_targets[row] ^ column_targets[column]`` (int64).
    """

    steps: list[Step]
    row_targets: NDArray[np.int64]
    column_targets: NDArray[np.int64]


class Plan(NamedTuple):
    """A circuit as sweeps over a state of ``2**qubits`` amplitudes of which the top ``row_bits`` address bits are rows.

    The ``preparation`` acts on ``|0...0>`` and entangles nothing before its permutation; its steps count qubits.
    """

    qubits: int
    row_bits: int
    preparation: Sweep
    sweeps: list[Sweep]


def plan(circuit: Circuit, row_bits: int | None = None) -> Plan:
    """Fuse the circuit into sweeps; by default half of the qubits are rows, so that two sweeps reach all of them."""
    qubits = circuit.qubits
    row_bits = row_bits or min(qubits, max(2, (qubits + 1) // 2))
    pending = [primitive for gate in circuit.gates for primitive in lower(gate)]
    preparation = _Collector(qubits, qubits, largest_parity=1)
    pending = preparation.collect(pending)
    collectors = []
    while pending:
        collectors.append(_Collector(qubits, row_bits, largest_parity=row_bits))
        pending = collectors[-1].collect(pending)

    natural = list(range(qubits))
    layouts = [natural]
    for collector in collectors:
        layouts.append(_layout(collector.rows, layouts[-1][-row_bits:], row_bits, qubits))
    layouts.append(natural)
    split = qubits - row_bits
    targets = [
        _targets(collector.sources, before, after, split)
        for collector, before, after in zip([preparation, *collectors], layouts[:-1], layouts[1:], strict=True)
    ]
    sweeps = [
        Sweep(_on_rows(collector.steps, layout[split:]), *target)
        for collector, layout, target in zip(collectors, layouts[1:-1], targets[1:], strict=True)
    ]
    return Plan(qubits, row_bits, Sweep(preparation.steps, *targets[0]), sweeps)


class _Collector:
    """Takes from a list of primitives, in order, those that one sweep can do.

    A primitive that cannot be taken blocks its qubits: what comes later on other qubits commutes with it.
    ``sources[q]`` is the mask of the qubits before the sweep's CNOTs whose parity is qubit q after them.
    """

    def __init__(self, qubits: int, most_rows: int, largest_parity: int) -> None:
        self.most_rows = most_rows
        self.largest_parity = largest_parity
        self.rows = 0
        self.steps: list[Step] = []
        self.sources = [1 << qubit for qubit in range(qubits)]
        # the first step that may still rotate, or turn the phase of, a qubit
        self._rotates_from: Counter[int] = Counter()
        self._phases_from: Counter[int] = Counter()

    def collect(self, primitives: Sequence[Primitive]) -> list[Primitive]:
        """Take what can be taken and return the rest."""
        blocked: set[int] = set()
        phased: set[int] = set()
        rest: list[Primitive] = []
        for position, primitive in enumerate(primitives):
            if len(blocked) == len(self.sources):
                return rest + list(primitives[position:])
            diagonal = isinstance(primitive, Phase)
            # phases commute with those left behind; nothing else does
            barred = not blocked.isdisjoint(primitive.qubits) or not (diagonal or phased.isdisjoint(primitive.qubits))
            if barred or not self._take(primitive):
                (phased if diagonal else blocked).update(primitive.qubits)
                rest.append(primitive)
        return rest

    def _take(self, primitive: Primitive) -> bool:
        if isinstance(primitive, Move):
            control, target = primitive.qubits
            self.sources[target] ^= self.sources[control]
            return True
        mask = 0
        for qubit in primitive.qubits:
            mask ^= self.sources[qubit]
        rotates = isinstance(primitive, Rotation)
        # a rotation passes back through the CNOTs only where they leave its qubit alone
        if rotates and (mask.bit_count() > 1 or sum(bool(source & mask) for source in self.sources) > 1):
            return False
        if mask.bit_count() > self.largest_parity or (self.rows | mask).bit_count() > self.most_rows:
            return False
        self.rows |= mask
        self._add(mask, primitive.angle, rotates)
        return True

    def _add(self, mask: int, angle: Angle, rotates: bool) -> None:
        touched = _bits(mask)
        starts = self._rotates_from if rotates else self._phases_from
        index = max((starts[qubit] for qubit in touched), default=0)
        while len(self.steps) <= index:
            self.steps.append(Step())
        for qubit in touched:
            self._rotates_from[qubit] = max(self._rotates_from[qubit], index + 1)
        if rotates:
            self.steps[index].rotations[touched[0]] = angle
            self._phases_from[touched[0]] = index
        else:
            self.steps[index].phases.append((mask, angle))


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def _layout(rows: int, previous_rows: list[int], row_bits: int, qubits: int) -> list[int]:
    """The qubit at each address bit: rows on top, and lowest those that the sweep before has in its tile.

    So a tile fills whole cache lines when it is written.
    """
    taken = _bits(rows)
    others = [qubit for qubit in range(qubits) if qubit not in taken]
    others.sort(key=lambda qubit: qubit not in previous_rows)
    split = qubits - row_bits
    return others[:split] + sorted(others[split:] + taken)


def _targets(
    sources: list[int], before: list[int], after: list[int], split: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each row and each column goes: the CNOTs and the change of layout, linear over GF(2)."""
    images = [sum((sources[after[bit]] >> qubit & 1) << bit for bit in range(len(after))) for qubit in before]
    columns, rows = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for image in images[:split]:
        columns = np.concatenate([columns, columns ^ image])
    for image in images[split:]:
        rows = np.concatenate([rows, rows ^ image])
    return rows, columns


def _on_rows(steps: list[Step], rows: list[int]) -> list[Step]:
    place = {qubit: bit for bit, qubit in enumerate(rows)}
    return [
        Step(
            {place[qubit]: angle for qubit, angle in step.rotations.items()},
            [(sum(1 << place[qubit] for qubit in _bits(mask)), angle) for mask, angle in step.phases],
        )
        for step in steps
    ]
