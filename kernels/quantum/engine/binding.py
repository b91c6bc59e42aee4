"""From a plan's structure and a batch of angles to the numbers that its sweeps multiply by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.circuits.arrays import Integers
from kernels.quantum.loops import binding as compiled_binding
from kernels.quantum.loops.adjoint import InnerProducts
from kernels.quantum.loops.binding import Phases
from kernels.quantum.loops.lanes import VECTOR_BYTES, aligned
from kernels.quantum.loops.lines import LINE_BYTES
from kernels.quantum.loops.sweep import Numbers, Structure
from kernels.quantum.loops.tiles import Targets
from kernels.quantum.loops.turns import Halves
from kernels.quantum.planning import layouts
from kernels.quantum.planning.fusion import Sweep
from kernels.quantum.planning.primitives import Angle
from kernels.quantum.planning.steps import Step, Turn


class AngleArray:
    """A list of `Angle` as arrays, so that a batch of parameters gives all of them at once."""

    def __init__(self, angles: Iterable[Angle]) -> None:
        table = np.array(list(angles), dtype=np.float64).reshape(-1, 3)
        self.parameters = table[:, 0].astype(np.intp)
        self.scales, self.constants = table[:, 1], table[:, 2]
        self.halves = Halves(self.parameters, self.scales / 2, self.constants / 2)

    def bind(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """From (batch, parameters) to (batch, angles)."""
        if not self.scales.any():
            return np.repeat(self.constants[None], len(angles), axis=0)
        return angles[:, self.parameters] * self.scales + self.constants

    def add_derivatives(self, derivatives: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
        """Add derivatives by these angles (batch, angles) to those by the parameters (batch, parameters)."""
        if self.scales.any():
            np.add.at(sums, (np.arange(len(sums))[:, None], self.parameters), derivatives * self.scales)


class _Diagonals:
    """Tables of phases, each over so many states: masks of the states' bits, and angles."""

    def __init__(self, tables: Sequence[Sequence[tuple[int, Angle]]]) -> None:
        self.angles = AngleArray(angle for table in tables for _, angle in table)
        masks = np.array([mask for table in tables for mask, _ in table], dtype=np.int64)
        self.phases = Phases(layouts.ends(tables), masks, self.angles.halves)
        self._tables = np.repeat(np.arange(len(tables)), np.diff(self.phases.ends))

    def add_derivatives(self, derivatives: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
        """Add derivatives by the angles; given are those by a phase of each state alone (batch, tables, states)."""
        compiled_binding.walsh_each(derivatives)
        self.angles.add_derivatives(derivatives[:, self._tables, self.phases.masks], sums)


def make_targets(sweeps: Sequence[Sweep], itemsize: int) -> Targets:
    """Where tiles of amplitudes of so many bytes go: in lines if the permutation keeps them together."""
    line = LINE_BYTES // itemsize
    parts = [_in_lines(sweep, line) for sweep in sweeps]
    lined = np.array([found is not None for found in parts], dtype=np.bool_)
    rows, columns = (np.array([sweep[place] for sweep in sweeps], dtype=np.int64) for place in (1, 2))
    none = np.zeros(line, np.int64), np.zeros(max(1, rows.shape[1] // line), np.int64)
    line_rows, heads = (np.array(some) for some in zip(*(found or none for found in parts), strict=True))
    skews = np.array([layouts.skews(targets, line) for targets in columns])
    return Targets(rows, columns, lined, line_rows, heads, skews)


def _in_lines(sweep: Sweep, line: int) -> tuple[Integers, Integers] | None:
    rows = sweep.row_targets
    line_rows = layouts.line_rows(rows, line)
    if line_rows is None or sweep.column_targets.size < line:
        return None
    return line_rows, np.flatnonzero(((rows ^ rows[0]) & (line - 1)) == 0)


class _Permuted:
    """Sweeps that write tiles to permuted addresses."""

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        self._sweeps = sweeps
        self._targets: dict[int, Targets] = {}
        self._moves: dict[torch.device, list[torch.Tensor]] = {}

    def targets(self, itemsize: int) -> Targets:
        """See `make_targets`."""
        if itemsize not in self._targets:
            self._targets[itemsize] = make_targets(self._sweeps, itemsize)
        return self._targets[itemsize]

    def addresses(self, number: int, device: torch.device) -> torch.Tensor:
        """Where each amplitude goes in a sweep, int64 (2**qubits,), from targets that stay on the device."""
        if device not in self._moves:
            targets = ([sweep[place] for sweep in self._sweeps] for place in (1, 2))
            self._moves[device] = [torch.from_numpy(np.array(some)).to(device) for some in targets]
        rows, columns = (some[number] for some in self._moves[device])
        return (rows[:, None] ^ columns).flatten()


class RowTables(NamedTuple):
    """Of `Structure`: the ``orders`` (steps, rows), and whether a group's factors are ``conjugate`` (groups, rows)."""

    orders: torch.Tensor
    conjugate: torch.Tensor


class BoundSweeps(_Permuted):
    """Sweeps of one number of rows, their structure as arrays; `bind` fills in the angles."""

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        super().__init__(sweeps)
        self.count = len(sweeps)
        self._rows = sweeps[0].row_targets.size if sweeps else 1
        self._columns = sweeps[0].column_targets.size if sweeps else 1
        steps = [step for sweep in sweeps for step in sweep.steps]
        frames = [frame(step.turns, self._rows.bit_length() - 1) for step in steps]
        turns = [turn for some, _, _ in frames for turn in some]
        phases = [_divide(step, self._columns.bit_length() - 1) for step in steps]
        self.structure = Structure(
            step_ends=layouts.ends(sweep.steps for sweep in sweeps),
            turn_ends=layouts.ends(some for some, _, _ in frames),
            bits=np.array([bit for _, bits, _ in frames for bit in bits], dtype=np.int64),
            turns=np.arange(len(turns)),
            orders=np.array([order for _, _, order in frames], dtype=np.int64).reshape(-1, self._rows),
            scaled=np.array([bool(of_rows) for of_rows, _ in phases], dtype=np.bool_),
            group_ends=layouts.ends(groups for _, groups in phases),
            group_masks=np.array([mask for _, groups in phases for mask in groups], dtype=np.int64),
        )
        self._rows_on: dict[torch.device, RowTables] = {}
        self._turns = AngleArray(turn.angle for turn in turns)
        self._of_rows = _Diagonals([of_rows for of_rows, _ in phases])
        self._of_columns = _Diagonals([group for _, groups in phases for group in groups.values()])

    def row_tables(self, device: torch.device) -> RowTables:
        """What the structure says of rows, on the device, where it stays."""
        if device not in self._rows_on:
            masks = self.structure.group_masks
            odd = np.bitwise_count(np.arange(self._rows) & masks[:, None]) & 1
            tables = (torch.from_numpy(table).to(device) for table in (self.structure.orders, odd == 1))
            self._rows_on[device] = RowTables(*tables)
        return self._rows_on[device]

    def bind(self, angles: NDArray[np.float64], dtype: torch.dtype) -> Numbers:
        """The numbers for angles (batch, parameters), in the precision of ``dtype``."""
        batch = len(angles)
        real, imaginary = (np.float32, np.complex64) if dtype == torch.complex64 else (np.float64, np.complex128)
        lanes = VECTOR_BYTES // real().itemsize
        cosines, sines = (aligned((batch, self.structure.bits.size * lanes), np.dtype(real)) for _ in range(2))
        numbers = Numbers(
            cosines,
            sines,
            np.empty((batch, len(self.structure.orders), self._rows), imaginary),
            np.empty((batch, len(self.structure.group_masks), 2, self._columns), real),
        )
        # fixed angles name a parameter too
        some = np.ascontiguousarray(angles) if angles.shape[1] else np.zeros((batch, 1))
        compiled_binding.bind(some, self._turns.halves, self._of_rows.phases, self._of_columns.phases, numbers)
        return numbers

    def add_derivatives(self, products: InnerProducts, sums: NDArray[np.float64]) -> None:
        """From inner products of all workers to derivatives, which are added to ``sums`` (batch, parameters)."""
        turns, of_rows, of_columns = (part.sum(axis=0) for part in products)
        self._turns.add_derivatives(turns, sums)
        self._of_rows.add_derivatives(of_rows, sums)
        self._of_columns.add_derivatives(of_columns, sums)


def _divide(step: Step, column_bits: int) -> tuple[list[tuple[int, Angle]], dict[int, list[tuple[int, Angle]]]]:
    """A step's phases: those of rows, and those that involve columns, grouped by their rows."""
    low = (1 << column_bits) - 1
    of_rows: list[tuple[int, Angle]] = []
    groups: dict[int, list[tuple[int, Angle]]] = {}
    for mask, angle in step.phases:
        if mask & low:
            groups.setdefault(mask >> column_bits, []).append((mask & low, angle))
        else:
            of_rows.append((mask >> column_bits, angle))
    return of_rows, groups


def frame(turns: list[Turn], row_bits: int) -> tuple[list[Turn], list[int], Integers]:
    """The turns in descending order of the row bits they get, those bits, and the order of rows."""
    places, bits, order = layouts.frame([turn.flips for turn in turns], [turn.parity for turn in turns], row_bits)
    return [turns[place] for place in places], bits, order


class Preparation(_Permuted):
    """The product state that the leading gates make of ``|0...0>``."""

    def __init__(self, preparation: Sweep, qubits: int) -> None:
        super().__init__([preparation])
        self.qubits = qubits
        self.column_bits = preparation.column_targets.size.bit_length() - 1
        none = Angle(0, 0.0, 0.0)
        turns = [{turn.flips.bit_length() - 1: turn.angle for turn in step.turns} for step in preparation.steps]
        self.rotations = [AngleArray(step.get(qubit, none) for qubit in range(qubits)) for step in turns]
        self.phases = [(self._signs(step), AngleArray(angle for _, angle in step.phases)) for step in preparation.steps]

    def _signs(self, step: Step) -> NDArray[np.float64]:
        """The sign of each phase for each value of its qubit, (phases, 2 * qubits); a global one falls to qubit 0."""
        signs = np.zeros((len(step.phases), self.qubits, 2))
        for phase, (mask, _) in enumerate(step.phases):
            signs[phase, max(mask.bit_length() - 1, 0)] = (1, -1) if mask else (1, 1)
        return signs.reshape(-1, 2 * self.qubits)

    def evolve(self, angles: NDArray[np.float64]) -> list[NDArray[np.complex128]]:
        """The qubits' states (batch, qubits, 2): at first, then after each step's rotations and after its phases."""
        states = np.zeros((len(angles), self.qubits, 2), dtype=np.complex128)
        states[:, :, 0] = 1
        history = [states]
        for rotations, (signs, phases) in zip(self.rotations, self.phases, strict=True):
            history.append(rotate_each(history[-1], rotations.bind(angles)))
            history.append(history[-1] * phase_factors(phases.bind(angles), signs).reshape(states.shape))
        return history

    def bind(self, angles: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Factors of the rows (batch, rows) and of the columns (batch, columns)."""
        *_, qubit_states = self.evolve(angles)
        return product(qubit_states[:, self.column_bits :]), product(qubit_states[:, : self.column_bits])


def rotate_each(states: NDArray[np.complex128], angles: NDArray[np.float64]) -> NDArray[np.complex128]:
    """RY by angles (batch, qubits) on states (batch, qubits, 2)."""
    cosines, sines = np.cos(angles / 2), np.sin(angles / 2)
    zero, one = states[:, :, 0], states[:, :, 1]
    return np.stack([cosines * zero - sines * one, sines * zero + cosines * one], axis=2)


def phase_factors(angles: NDArray[np.float64], signs: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Products over phases, (batch, states), from angles (batch, phases) and signs (phases, states)."""
    # a matrix product would wake the BLAS library's threads for next to nothing
    return np.exp(-0.5j * np.einsum("bp,ps->bs", angles, signs))


def product(qubit_states: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The product state (batch, 2**qubits) of qubit states (batch, qubits, 2)."""
    state = np.ones((len(qubit_states), 1), dtype=np.complex128)
    for qubit in range(qubit_states.shape[1]):
        state = (qubit_states[:, qubit, :, None] * state[:, None, :]).reshape(len(state), -1)
    return state
