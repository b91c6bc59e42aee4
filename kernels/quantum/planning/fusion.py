"""Gate fusion: a circuit becomes a few sweeps over the state vector.

All rotations of a chosen set of qubits, the rows of a sweep, and all phases between them are applied to a tile of the
state while it stays in cache. No CNOT is ever carried out: what follows it acts on the addresses as they were before it
(see `Turn`), and all of a sweep's CNOTs, with the change of qubit order that brings the next sweep's rows together,
only decide the addresses at which the tile is written. The state moves through memory once a sweep instead of once a
gate. The leading gates act on a product state, which is written directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.planning import layouts
from kernels.quantum.planning.primitives import Primitive, lower, mask_of
from kernels.quantum.planning.steps import Collector, Step, Turn

# with more rows a sweep reaches more qubits, but the rows of a tile that stays in cache are shorter
_MOST_ROW_BITS = 13
_MORE_ROW_BITS = 3


class Sweep(NamedTuple):
    """One pass over the state: steps on tiles, then a permutation.

    Address a of the state is ``(row << columns) | column``; a turn's masks count row bits, a phase's address bits. The
    amplitude of (row, column) goes to address ``row_targets[row] ^ column_targets[column]`` (int64).
    """

    steps: list[Step]
    row_targets: NDArray[np.int64]
    column_targets: NDArray[np.int64]


class Plan(NamedTuple):
    """A circuit as sweeps over a state of which the top ``row_bits`` address bits are rows.

    The ``preparation`` acts on ``|0...0>`` and entangles nothing before its permutation; its masks count qubits.
    ``layouts[i]`` is the qubit at each address bit before sweep i, ``layouts[-1]`` at the end; stage s of the circuit
    begins before sweep ``starts[s]``.
    """

    row_bits: int
    preparation: Sweep
    sweeps: list[Sweep]
    layouts: list[list[int]]
    starts: list[int]


class Stage(NamedTuple):
    """A part of a circuit; before its first sweep the qubits ``top`` stand at the highest address bits, in order."""

    primitives: Sequence[Primitive]
    top: Sequence[int] = ()


def plan(circuit: Circuit, row_bits: int | None = None, last: list[int] | None = None) -> Plan:
    """Fuse the circuit into sweeps; see `fuse`."""
    return fuse([Stage([part for gate in circuit.gates for part in lower(gate)])], circuit.qubits, row_bits, last)


def fuse(stages: Sequence[Stage], qubits: int, row_bits: int | None = None, last: list[int] | None = None) -> Plan:
    """Fuse the stages into sweeps; by default over as many rows as make the fewest sweeps, half of the qubits at least.

    Every stage but the first has at least one sweep. ``last`` is the qubit wanted at each address bit at the end;
    without it the order is whatever the last sweep writes fastest.
    """
    if row_bits is not None:
        return _fuse(stages, qubits, row_bits, last)
    return min((_fuse(stages, qubits, rows, last) for rows in row_choices(qubits)), key=lambda plan: len(plan.sweeps))


def row_choices(qubits: int) -> range:
    """The numbers of rows, as bits, that are worth a try."""
    least = min(qubits, max(2, (qubits + 1) // 2))
    return range(least, 1 + max(least, min(least + _MORE_ROW_BITS, qubits - layouts.LINE_BITS, _MOST_ROW_BITS)))


def _fuse(stages: Sequence[Stage], qubits: int, row_bits: int, last: list[int] | None) -> Plan:
    chain = _Chain(qubits, row_bits)
    starts = [0]
    chain.add_sweeps(chain.collectors[0].collect(stages[0].primitives))
    for stage in stages[1:]:
        starts.append(len(chain.collectors) - 1)
        chain.add_sweeps(chain.add(stage.primitives, stage.top))
    orders = [*chain.orders, last or layouts.choose(chain.orders[-1], chain.writable(), 0, row_bits)]
    sweeps = [
        Sweep(_on_addresses(collector.steps, before, row_bits) if place else collector.steps, *targets)
        for place, (collector, before, after) in enumerate(zip(chain.collectors, orders[:-1], orders[1:], strict=True))
        for targets in [layouts.targets(collector.parities, before, after, qubits - row_bits)]
    ]
    return Plan(row_bits, sweeps[0], sweeps[1:], orders[1:], starts)


def gather(circuit: Circuit) -> Sweep:
    """The whole circuit as one sweep over ``|0...0>``, all of whose qubits are rows."""
    collector = Collector(circuit.qubits, circuit.qubits)
    collector.collect([part for gate in circuit.gates for part in lower(gate)])
    natural = list(range(circuit.qubits))
    return Sweep(collector.steps, *layouts.targets(collector.parities, natural, natural, 0))


class _Chain:
    """The preparation and the sweeps after it, and the order of the qubits before each."""

    def __init__(self, qubits: int, row_bits: int) -> None:
        self.qubits, self.row_bits = qubits, row_bits
        self.collectors = [Collector(qubits, qubits, product=True)]
        self.orders = [list(range(qubits))]

    def add_sweeps(self, pending: Sequence[Primitive]) -> None:
        """As many sweeps as it takes."""
        while pending:
            pending = self.add(pending)

    def add(self, pending: Sequence[Primitive], top: Sequence[int] = ()) -> list[Primitive]:
        """One sweep of as much as can be; returns the rest.

        It leaves enough of the qubits that the sweep before can write in lines out of its rows.
        """
        writable = self.writable()
        sweep, rest = self._collect(pending, top)
        spare = [qubit for qubit in writable if not sweep.rows >> qubit & 1]
        missing = min(layouts.LINE_BITS, len(writable)) - len(spare)
        if missing > 0:
            latest = [qubit for qubit in reversed(sweep.acquired) if qubit in writable][:missing]
            other, left = self._collect(pending, top, avoid=[*spare, *latest])
            if len(left) < len(pending):
                sweep, rest = other, left
        self.orders.append(layouts.choose(self.orders[-1], writable, sweep.rows, self.row_bits, top))
        self.collectors.append(sweep)
        return rest

    def writable(self) -> list[int]:
        """See `layouts.writable`, of the last sweep."""
        last = self.collectors[-1]
        return layouts.writable(self.orders[-1], last.flips, self.row_bits)

    def _collect(
        self, pending: Sequence[Primitive], top: Sequence[int], avoid: Sequence[int] = ()
    ) -> tuple[Collector, list[Primitive]]:
        sweep = Collector(self.qubits, self.row_bits, rows=mask_of(top), avoid=mask_of(avoid))
        return sweep, sweep.collect(pending)


def _on_addresses(steps: list[Step], layout: list[int], row_bits: int) -> list[Step]:
    """The steps with masks of qubits turned into masks of row bits and of address bits."""
    place = {qubit: bit for bit, qubit in enumerate(layout)}
    split = len(layout) - row_bits

    def move(mask: int) -> int:
        return sum(1 << place[qubit] for qubit in layouts.bits(mask))

    return [
        Step(
            [Turn(move(turn.flips) >> split, move(turn.parity) >> split, turn.angle) for turn in step.turns],
            [(move(mask), angle) for mask, angle in step.phases],
        )
        for step in steps
    ]
