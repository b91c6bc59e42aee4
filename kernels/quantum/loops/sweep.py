"""The CPU's sweeps, compiled by Numba: see `planning.fusion` for what a sweep is.

States are as in `loops.tiles`. The functions that release the interpreter lock do one worker's share of the
work, so that several threads can call them together, each with a tile of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyComplexes, AnyReals, Integers
from kernels.quantum.loops.lanes import VECTOR_BYTES
from kernels.quantum.loops.tiles import Place, Targets, place_of, read, tile_width, write
from kernels.quantum.loops.turns import rotate

# a block of a tile's rows stays in the first-level cache through its last turns
_BLOCK_BYTES = 1 << 14
_FUSED_MULTIPLY_ADD = {"contract"}


class Structure(NamedTuple):
    """Sweeps without their angles.

    Sweep i has the steps ``step_ends[i]`` to ``step_ends[i + 1]``. Step s has the turns ``turn_ends[s]`` to
    ``turn_ends[s + 1]``, of the bits ``bits``, descending, by the ``turns``' numbers. ``orders[s]`` are the rows in the
    order in which those bits number them. ``scaled[s]`` says whether the step has phases of rows. The phases that
    involve columns stand in groups, ``group_ends[s]`` to ``group_ends[s + 1]`` of them; rows with an odd number of ones
    in ``row & group_masks[g]`` take the conjugate of group g's factors.
    """

    step_ends: Integers
    turn_ends: Integers
    bits: Integers
    turns: Integers
    orders: Integers
    scaled: NDArray[np.bool_]
    group_ends: Integers
    group_masks: Integers


class Numbers(NamedTuple):
    """Sweeps' angles, for each circuit of the batch.

    Cosines and sines of half the turns' angles (batch, turns * lanes), each in every lane of a vector; factors of rows
    (batch, steps, rows) and, real and imaginary parts apart, of groups and columns (batch, groups, 2, columns).
    """

    cosines: AnyReals
    sines: AnyReals
    tables: AnyComplexes
    groups: AnyReals


@numba.njit(cache=True, nogil=True)
def prepare(
    target: AnyComplexes,
    rows: AnyComplexes,
    columns: AnyReals,
    targets: Targets,
    tiles: AnyReals,
    worker: int,
    workers: int,
) -> None:
    """Write the product state of factors of rows (batch, rows) and of columns (batch, 2, columns), permuted."""
    count, width = columns.shape[2], tile_width(target, columns.shape[2], workers)
    for item in range(worker, target.shape[0] * (count // width), workers):
        place = place_of(item, width, count, target.itemsize)
        fill(tiles[worker], place, rows[place.sample], columns[place.sample])
        write(tiles[worker], place, target, targets, 0)


@numba.njit(cache=True, fastmath=_FUSED_MULTIPLY_ADD)
def fill(tile: AnyReals, place: Place, rows: AnyComplexes, columns: AnyReals) -> None:
    """Make each row the product of its factor and the columns' (2, columns)."""
    first, width, gap = place.first, place.width, place.gap
    real, imaginary = columns[0][first : first + width], columns[1][first : first + width]
    for row in range(rows.size):
        x, y, start = rows[row].real, rows[row].imag, 2 * gap * row
        a, b = tile[start : start + width], tile[start + gap : start + gap + width]
        for lane in range(width):
            a[lane] = x * real[lane] - y * imaginary[lane]
            b[lane] = x * imaginary[lane] + y * real[lane]


@numba.njit(cache=True, nogil=True)
def sweep(
    source: AnyComplexes,
    target: AnyComplexes,
    structure: Structure,
    number: int,
    numbers: Numbers,
    targets: Targets,
    tiles: AnyReals,
    worker: int,
    workers: int,
) -> None:
    """Apply the steps of sweep ``number`` to each tile of ``source`` and write it, permuted, to ``target``."""
    columns, tile = targets.columns.shape[1], tiles[worker]
    width = tile_width(source, columns, workers)
    for item in range(worker, source.shape[0] * (columns // width), workers):
        place = place_of(item, width, columns, source.itemsize)
        read(tile, place, source)
        for step in range(structure.step_ends[number], structure.step_ends[number + 1]):
            _step(tile, place, structure, step, numbers)
        write(tile, place, target, targets, number)


@numba.njit(cache=True)
def _step(tile: AnyReals, place: Place, structure: Structure, step: int, numbers: Numbers) -> None:
    start, end = structure.turn_ends[step], structure.turn_ends[step + 1]
    order, bits, turns = structure.orders[step], structure.bits[start:end], structure.turns[start:end]
    row_bytes = 2 * place.gap * tile.itemsize
    block_rows, parts = min(order.size, max(1, _BLOCK_BYTES // row_bytes)), row_bytes // VECTOR_BYTES
    far = bits.size - np.sum((1 << bits) < block_rows)
    cosines, sines = numbers.cosines[place.sample], numbers.sines[place.sample]
    rotate(tile, parts, order, bits[:far], turns[:far], cosines, sines)
    for first in range(0, order.size, block_rows):
        block = order[first : first + block_rows]
        rotate(tile, parts, block, bits[far:], turns[far:], cosines, sines)
        scale(tile, place, structure, step, block, numbers)


@numba.njit(cache=True)
def scale(tile: AnyReals, place: Place, structure: Structure, step: int, order: Integers, numbers: Numbers) -> None:
    """Multiply rows, those in ``order``, by the step's phases."""
    if structure.scaled[step]:
        _scale_rows(tile, place, order, numbers.tables[place.sample, step])
    for group in range(structure.group_ends[step], structure.group_ends[step + 1]):
        _scale_columns(tile, place, order, structure.group_masks[group], numbers.groups[place.sample, group])


@numba.njit(cache=True, fastmath=_FUSED_MULTIPLY_ADD)
def _scale_rows(tile: AnyReals, place: Place, order: Integers, table: AnyComplexes) -> None:
    gap = place.gap
    for row in order:
        real, imaginary = table[row].real, table[row].imag
        a, b = tile[2 * gap * row : 2 * gap * row + gap], tile[2 * gap * row + gap : 2 * gap * (row + 1)]
        for lane in range(gap):
            a[lane], b[lane] = real * a[lane] - imaginary * b[lane], real * b[lane] + imaginary * a[lane]


@numba.njit(cache=True, fastmath=_FUSED_MULTIPLY_ADD)
def _scale_columns(tile: AnyReals, place: Place, order: Integers, mask: int, factors: AnyReals) -> None:
    """By factors (2, columns), conjugate in rows where ``row & mask`` has odd parity."""
    first, width, gap = place.first, place.width, place.gap
    # a row, then a part of it: contiguous to the compiler too, which else would not vectorise
    real, imaginary = factors[0][first : first + width], factors[1][first : first + width]
    for row in order:
        sign, start = tile.dtype.type(1 - 2 * parity(row & mask)), 2 * gap * row
        a, b = tile[start : start + width], tile[start + gap : start + gap + width]
        for lane in range(width):
            x, y = real[lane], sign * imaginary[lane]
            a[lane], b[lane] = x * a[lane] - y * b[lane], x * b[lane] + y * a[lane]


@numba.njit(cache=True)
def parity(mask: int) -> int:
    """Whether the number of ones is odd, 0 or 1."""
    for shift in (32, 16, 8, 4, 2, 1):
        mask ^= mask >> shift
    return mask & 1


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def marginals(state: AnyComplexes, row_sums: AnyReals, column_sums: AnyReals, worker: int, workers: int) -> None:
    """Sum probabilities in float64: of each row (batch, rows), and of each column (workers, batch, columns)."""
    batch, rows = row_sums.shape
    columns = column_sums.shape[2]
    for sample in range(batch):
        sums = column_sums[worker, sample]
        sums[:] = 0.0
        for row in range(worker, rows, workers):
            amplitudes = state[sample, row * columns : (row + 1) * columns]
            total = 0.0
            for column in range(columns):
                real, imaginary = np.float64(amplitudes[column].real), np.float64(amplitudes[column].imag)
                probability = real * real + imaginary * imaginary
                sums[column] += probability
                total += probability
            row_sums[sample, row] = total
