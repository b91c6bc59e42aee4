"""The inner loops for batches of small circuits, compiled by Numba: one sample a lane, one call a batch.

A block of as many circuits as a vector has lanes goes through the whole circuit while its states stay in cache. The
space of a worker is a flat array of vectors (see `loops.lanes`): amplitude a has its real parts in vector
``2 a`` and its imaginary parts in the next; tables of phases follow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyReals, Integers, Reals
from kernels.quantum.loops.lanes import VECTOR_BYTES, add_to, load, store, wide
from kernels.quantum.loops.turns import Halves, circle, rotate

# rows of amplitudes that stay in the first-level cache through the rotations of their low bits
_BLOCK_ROWS = 1 << 8


class Program(NamedTuple):
    """A circuit as steps on ``|0...0>``: turns, RY in frames of rows, then a diagonal; see `planning.fusion`.

    Step s has the turns ``turn_ends[s]`` to ``turn_ends[s + 1]``, of the bits ``turn_bits``, descending, in the order
    of rows ``orders[s]``, by the numbers ``turn_numbers``. Its diagonal is the product of the tables ``table_ends[s]``
    to ``table_ends[s + 1]``: one over the high bits of a row's place in the order, then some over its ``low_bits``,
    which are conjugate where ``conjugate[table, high]``. Table t has the phases ``phase_ends[t]`` to
    ``phase_ends[t + 1]``, by the numbers ``phase_numbers``, reversed where ``odd[phase, entry]``. Amplitude i ends in
    row ``final[i]``.
    """

    orders: Integers
    turn_ends: Integers
    turn_bits: Integers
    turn_numbers: Integers
    table_ends: Integers
    conjugate: NDArray[np.bool_]
    phase_ends: Integers
    phase_numbers: Integers
    odd: NDArray[np.bool_]
    final: Integers
    low_bits: int


class Rooms(NamedTuple):
    """What each worker writes in: flat arrays, one of each kind a worker.

    ``spaces`` (workers, reals) see above; ``cosines`` and ``sines`` (workers, numbers * lanes) of half the angles,
    those of fixed angles, last, there already; ``halves`` (workers, free numbers * lanes) and ``sums`` in float64.
    """

    spaces: AnyReals
    cosines: AnyReals
    sines: AnyReals
    halves: Reals
    sums: Reals


@numba.njit(cache=True, nogil=True)
def expectations(
    values: Reals,
    angles: Reals,
    program: Program,
    halves: Halves,
    rooms: Rooms,
    worker: int,
    workers: int,
) -> None:
    """Write ``<Z_q>`` (batch, qubits), summed in float64."""
    space, sums, lanes = rooms.spaces[worker], rooms.sums[worker], VECTOR_BYTES // rooms.spaces.itemsize
    for first in range(worker * lanes, len(angles), workers * lanes):
        _bind(angles[first : first + lanes], halves, rooms, worker)
        _simulate(space, program, rooms.cosines[worker], rooms.sines[worker])
        _measure(space, program.final, program.low_bits, sums)
        _sign_sums(values[first : first + lanes], sums, program.low_bits, lanes)


@numba.njit(cache=True, nogil=True)
def states(
    target: NDArray[Any],
    angles: Reals,
    program: Program,
    halves: Halves,
    rooms: Rooms,
    worker: int,
    workers: int,
) -> None:
    """Write the final states (batch, 2**qubits), complex."""
    space, lanes = rooms.spaces[worker], VECTOR_BYTES // rooms.spaces.itemsize
    for first in range(worker * lanes, len(angles), workers * lanes):
        _bind(angles[first : first + lanes], halves, rooms, worker)
        _simulate(space, program, rooms.cosines[worker], rooms.sines[worker])
        some = target[first : first + lanes]
        for amplitude, row in enumerate(program.final):
            start = 2 * row * lanes
            for lane in range(len(some)):
                some[lane, amplitude] = complex(space[start + lane], space[start + lanes + lane])


@numba.njit(cache=True)
def _bind(angles: Reals, halves: Halves, rooms: Rooms, worker: int) -> None:
    """Cosines and sines for a block's angles (samples, parameters)."""
    bound, lanes = rooms.halves[worker], VECTOR_BYTES // rooms.spaces.itemsize
    for number in range(halves.places.size):
        place, scale, constant = halves.places[number], halves.scales[number], halves.constants[number]
        for lane in range(len(angles)):
            bound[number * lanes + lane] = scale * angles[lane, place] + constant
    circle(bound, rooms.cosines[worker], rooms.sines[worker])


@numba.njit(cache=True)
def _simulate(space: AnyReals, program: Program, cosines: AnyReals, sines: AnyReals) -> None:
    rows = program.final.size
    for step in range(len(program.orders)):
        order, start, end = program.orders[step], program.turn_ends[step], program.turn_ends[step + 1]
        bits, numbers = program.turn_bits[start:end], program.turn_numbers[start:end]
        if step == 0:
            _begin(space, order, bits, numbers, cosines, sines)
        else:
            block_rows = min(rows, _BLOCK_ROWS)
            far = bits.size - np.sum((1 << bits) < block_rows)
            rotate(space, 2, order, bits[:far], numbers[:far], cosines, sines)
            for first in range(0, rows, block_rows):
                part = order[first : first + block_rows]
                rotate(space, 2, part, bits[far:], numbers[far:], cosines, sines)
        if program.table_ends[step] < program.table_ends[step + 1]:
            _fill_tables(space, program, step, cosines, sines)
            _scale(space, program, step)


@numba.njit(cache=True)
def _begin(
    space: AnyReals, order: Integers, bits: Integers, numbers: Integers, cosines: AnyReals, sines: AnyReals
) -> None:
    """Write the product state that turns make of ``|0...0>``: real, and zero where a bit that is not turned is 1."""
    space[: 2 * order.size * VECTOR_BYTES // space.itemsize] = 0
    first = 2 * order[0] * VECTOR_BYTES // space.itemsize
    space[first : first + VECTOR_BYTES // space.itemsize] = 1
    for index in range(bits.size - 1, -1, -1):
        c, s = load(cosines, numbers[index]), load(sines, numbers[index])
        one = 1 << bits[index]
        for place in range(one):
            amplitude = load(space, 2 * order[place])
            store(space, 2 * order[place], c * amplitude)
            store(space, 2 * order[place + one], s * amplitude)


@numba.njit(cache=True)
def _fill_tables(space: AnyReals, program: Program, step: int, cosines: AnyReals, sines: AnyReals) -> None:
    """Each table is the product of its phases' factors."""
    size, lanes = program.odd.shape[1], VECTOR_BYTES // space.itemsize
    first = program.final.size
    for table in range(program.table_ends[step], program.table_ends[step + 1]):
        for place in range(2 * first, 2 * (first + size), 2):
            space[place * lanes : (place + 1) * lanes] = 1
            space[(place + 1) * lanes : (place + 2) * lanes] = 0
        for phase in range(program.phase_ends[table], program.phase_ends[table + 1]):
            c, s = load(cosines, program.phase_numbers[phase]), load(sines, program.phase_numbers[phase])
            odd = program.odd[phase]
            for entry in range(size):
                _multiply(space, first + entry, first + entry, c, s, not odd[entry])
        first += size


@numba.njit(cache=True)
def _scale(space: AnyReals, program: Program, step: int) -> None:
    """Multiply amplitudes by the tables: for all low bits at once, whose factors are collected behind the tables."""
    size, lows = program.odd.shape[1], 1 << program.low_bits
    start, tables = program.table_ends[step], program.table_ends[step + 1] - program.table_ends[step]
    head = program.final.size
    collected = head + size * tables
    for high in range(program.final.size // lows):
        order = program.orders[step, high * lows : (high + 1) * lows]
        for table in range(1, tables):
            first, conjugate = head + size * table, program.conjugate[start + table, high]
            for low in range(lows):
                source = collected + low if table > 1 else head + high
                c, s = load(space, 2 * (first + low)), load(space, 2 * (first + low) + 1)
                _multiply(space, source, collected + low, c, s, conjugate)
        for low in range(lows):
            c, s = load(space, 2 * (collected + low)), load(space, 2 * (collected + low) + 1)
            _multiply(space, order[low], order[low], c, s, False)


@numba.njit(cache=True)
def _multiply(space: AnyReals, source: int, target: int, c: Any, s: Any, conjugate: bool) -> None:
    """``target = source * (c + i s)``, or its conjugate."""
    a, b = load(space, 2 * source), load(space, 2 * source + 1)
    if conjugate:
        store(space, 2 * target, c * a + s * b)
        store(space, 2 * target + 1, c * b - s * a)
    else:
        store(space, 2 * target, c * a - s * b)
        store(space, 2 * target + 1, c * b + s * a)


@numba.njit(cache=True)
def _measure(space: AnyReals, final: Integers, low_bits: int, sums: Reals) -> None:
    """Sum probabilities over amplitudes of equal low bits, and, behind, of equal high bits."""
    lows, lanes = 1 << low_bits, VECTOR_BYTES // space.itemsize
    sums[: lows * lanes] = 0
    for high in range(final.size >> low_bits):
        rows = final[high * lows : (high + 1) * lows]
        total = _probability(space, rows[0])
        add_to(sums, 0, total)
        for low in range(1, lows):
            probability = _probability(space, rows[low])
            add_to(sums, low, probability)
            total = total + probability
        store(sums, lows + high, total)


@numba.njit(cache=True)
def _probability(space: AnyReals, row: int) -> Any:
    a, b = wide(load(space, 2 * row)), wide(load(space, 2 * row + 1))
    return a * a + b * b


@numba.njit(cache=True)
def _sign_sums(values: Reals, sums: Reals, low_bits: int, lanes: int) -> None:
    """``P(bit = 0) - P(bit = 1)`` of the low bits, then of the high bits."""
    for qubit in range(values.shape[1]):
        low = qubit < low_bits
        first, bit = (0, qubit) if low else (1 << low_bits, qubit - low_bits)
        count = 1 << (low_bits if low else values.shape[1] - low_bits)
        for lane in range(len(values)):
            total = 0.0
            for entry in range(count):
                total += (1 - 2 * (entry >> bit & 1)) * sums[(first + entry) * lanes + lane]
            values[lane, qubit] = total
