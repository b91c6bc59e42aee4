"""Batches of small circuits: plans them for, and runs them by, `loops.batched`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.circuits.arrays import AnyReals, Integers, Reals
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.engine import threads
from kernels.quantum.engine.binding import frame
from kernels.quantum.loops import batched as batched_loops
from kernels.quantum.loops.batched import Program, Rooms
from kernels.quantum.loops.lanes import VECTOR_BYTES, aligned
from kernels.quantum.loops.turns import Halves
from kernels.quantum.planning import layouts
from kernels.quantum.planning.fusion import gather
from kernels.quantum.planning.primitives import Angle
from kernels.quantum.planning.steps import Step

Phases = list[tuple[int, Angle]]

# the largest circuits of which a block of samples stays in the second-level cache
MOST_QUBITS = 12

# fewer of the largest leave too many lanes empty; smaller circuits, even one alone with its lanes empty, take less time
# here than the calls of a sweep
_LEAST_BATCH_OF_LARGEST = 4

# waking a thread takes as long as a step of so many amplitudes, over all circuits
_AMPLITUDES_PER_WORKER = 1 << 18


def takes(qubits: int, batch: int) -> bool:
    """Whether a batch of circuits is faster here than in sweeps."""
    return qubits < MOST_QUBITS or (qubits == MOST_QUBITS and batch >= _LEAST_BATCH_OF_LARGEST)


class BatchedExecutor:
    """Runs a circuit of up to `MOST_QUBITS` qubits on the CPU for batches of angles.

    Reals are float64 of shape (batch, parameters), in radians.
    """

    def __init__(self, circuit: Circuit, dtype: torch.dtype) -> None:
        self._qubits = circuit.qubits
        self._real = np.dtype(np.float32 if dtype == torch.complex64 else np.float64)
        self._lanes = VECTOR_BYTES // self._real.itemsize
        builder = _Builder(circuit)
        self._program = builder.program()
        # a diagonal at the end leaves probabilities alone
        ends = self._program.table_ends
        self._unphased = self._program._replace(table_ends=np.minimum(ends, ends[-2]))
        self._halves, self._fixed = builder.halves()
        self._rooms = self._make_rooms(1)

    def run(self, states: torch.Tensor, angles: Reals) -> None:
        """Write final states, complex of shape (batch, 2**qubits)."""
        self._call(batched_loops.states, states.numpy(), angles, self._program)

    def expectations(self, angles: Reals) -> Reals:
        """``<Z_q>`` of every qubit, (batch, qubits), summed in float64."""
        values = np.empty((len(angles), self._qubits))
        self._call(batched_loops.expectations, values, angles, self._unphased)
        return values

    def _call(self, loop: Callable[..., None], target: AnyReals, angles: Reals, program: Program) -> None:
        blocks = -(-len(angles) // self._lanes)
        workers = min(blocks, threads.count(len(angles) * program.orders.size, _AMPLITUDES_PER_WORKER))
        # kept from run to run: fresh memory costs page faults
        if len(self._rooms.spaces) < workers:
            self._rooms = self._make_rooms(workers)
        threads.share(workers, loop, target, np.ascontiguousarray(angles), program, self._halves, self._rooms)

    def _make_rooms(self, workers: int) -> Rooms:
        size = self._program.odd.shape[1]
        # the tables of a step, and their product
        tables = int(np.diff(self._program.table_ends).max()) + 1
        free, fixed = self._halves.places.size, self._fixed.size

        def vectors(count: int, dtype: np.dtype) -> AnyReals:
            return aligned((workers, count * self._lanes), dtype)

        rooms = Rooms(
            spaces=vectors(2 * ((1 << self._qubits) + tables * size), self._real),
            cosines=vectors(free + fixed, self._real),
            sines=vectors(free + fixed, self._real),
            halves=vectors(free, np.dtype(np.float64)),
            sums=vectors(2 * size, np.dtype(np.float64)),
        )
        for numbers, function in ((rooms.cosines, np.cos), (rooms.sines, np.sin)):
            numbers[:, free * self._lanes :] = np.repeat(function(self._fixed), self._lanes)
        return rooms


class _Builder:
    """Collects a circuit's program and the angles that its numbers belong to."""

    def __init__(self, circuit: Circuit) -> None:
        self.qubits = circuit.qubits
        self.low_bits = (circuit.qubits + 1) // 2
        self.places: dict[Angle, int] = {}
        self.sweep = gather(circuit)
        self.steps = [_merge(step) for step in _without_idle_start(self.sweep.steps)] or [Step()]
        used = [angle for step in self.steps for _, angle in [*step.phases, *((0, turn.angle) for turn in step.turns)]]
        # those that depend on parameters stand first
        for angle in sorted(dict.fromkeys(used), key=lambda angle: not angle.scale):
            self.places[angle] = len(self.places)

    def halves(self) -> tuple[Halves, Reals]:
        """Of the numbers: half the angles that depend on parameters, then half of those that do not."""
        free = np.array([angle for angle in self.places if angle.scale], dtype=np.float64).reshape(-1, 3)
        fixed = np.array([angle.constant / 2 for angle in self.places if not angle.scale], dtype=np.float64)
        return Halves(free[:, 0].astype(np.int64), free[:, 1] / 2, free[:, 2] / 2), fixed

    def program(self) -> Program:
        """The program, whose numbers are the places of the angles."""
        frames = [frame(step.turns, self.qubits) for step in self.steps]
        turns = [turn for some, _, _ in frames for turn in some]
        tables = [self._tables(step, order) for step, (_, _, order) in zip(self.steps, frames, strict=True)]
        flat = [table for some in tables for table in some]
        phases = [phase for _, table in flat for phase in table]
        low, high = np.arange(1 << self.low_bits), np.arange(1 << (self.qubits - self.low_bits))
        return Program(
            orders=np.array([order for _, _, order in frames], dtype=np.int64),
            turn_ends=layouts.ends(some for some, _, _ in frames),
            turn_bits=np.array([bit for _, bits, _ in frames for bit in bits], dtype=np.int64),
            turn_numbers=np.array([self.places[turn.angle] for turn in turns], dtype=np.int64),
            table_ends=layouts.ends(tables),
            conjugate=_odd([mask for mask, _ in flat], high),
            phase_ends=layouts.ends(table for _, table in flat),
            phase_numbers=np.array([self.places[angle] for _, angle in phases], dtype=np.int64),
            odd=_odd([mask for mask, _ in phases], low),
            final=np.argsort(self.sweep.row_targets),
            low_bits=self.low_bits,
        )

    def _tables(self, step: Step, order: Integers) -> list[tuple[int, Phases]]:
        """Masks of high bits and, for each, phases by masks of low bits; first those of high bits alone."""
        if not step.phases:
            return []
        high: Phases = []
        grouped: dict[int, Phases] = {0: []}
        for mask, angle in step.phases:
            seen = sum((int(order[1 << bit]) & mask).bit_count() % 2 << bit for bit in range(self.qubits))
            high_mask, low_mask = seen >> self.low_bits, seen & (1 << self.low_bits) - 1
            if low_mask:
                grouped.setdefault(high_mask, []).append((low_mask, angle))
            else:
                high.append((high_mask, angle))
        return [(0, high), *grouped.items()]


def _without_idle_start(steps: Sequence[Step]) -> list[Step]:
    """Before the first turn phases see ``|0...0>`` alone: they are global, and may as well come later."""
    if len(steps) < 2 or steps[0].turns:
        return list(steps)
    second = steps[1]
    return [Step(second.turns, second.phases + [(0, angle) for _, angle in steps[0].phases]), *steps[2:]]


def _merge(step: Step) -> Step:
    """Fixed phases of one parity are one phase."""
    fixed: dict[int, float] = {}
    free: Phases = []
    for mask, angle in step.phases:
        if angle.scale:
            free.append((mask, angle))
        else:
            fixed[mask] = fixed.get(mask, 0.0) + angle.constant
    return Step(step.turns, free + [(mask, Angle(0, 0.0, constant)) for mask, constant in fixed.items() if constant])


def _odd(masks: Sequence[int], entries: Integers) -> NDArray[np.bool_]:
    return (np.bitwise_count(np.array(masks, dtype=np.int64)[:, None] & entries) & 1).astype(np.bool_)
