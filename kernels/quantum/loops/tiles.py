"""Tiles between memory and cache, compiled by Numba: a few columns of a state, all of its rows.

States are complex64 or complex128 of shape (batch, 2**qubits), C-contiguous. A tile is a flat array of reals, aligned
to vectors: for each row its columns' real parts, then their imaginary parts. Turns treat all of them alike, and phases
need no shuffling. A row takes whole vectors: a state of fewer columns leaves lanes unused.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyComplexes, AnyReals, Integers
from kernels.quantum.loops.lanes import aligned
from kernels.quantum.loops.lines import LINE_BYTES, join_line, prefetch, read_block, split_line, write_block

# neighbouring columns are read together, as many as a tile in a core's share of the caches has room for: memory is then
# visited in runs long enough for its pages and for the prefetcher
_TILE_BYTES = 1 << 21
_MOST_TILE_ROW_BYTES = 512
_ROWS_AHEAD = 8


class Targets(NamedTuple):
    """Where each sweep writes: amplitude (row, column) to ``rows[sweep, row] ^ columns[sweep, column]``.

    Where it is ``lined``, ``line_rows[sweep]`` added to any row are the rows of a line of neighbouring targets, in
    order up to the column's ``skews[sweep]`` (see `loops.lines`), and ``heads[sweep]`` are rows from which
    all rows are reached so. Elsewhere amplitudes are written one by one.
    """

    rows: Integers
    columns: Integers
    lined: NDArray[np.bool_]
    line_rows: Integers
    heads: Integers
    skews: Integers


class Place(NamedTuple):
    """A tile's columns: ``width`` of circuit ``sample`` from column ``first`` on, of so many ``columns``.

    In the tile imaginary parts stand ``gap`` reals after real ones, and each row takes two gaps.
    """

    sample: int
    first: int
    width: int
    columns: int
    gap: int


@numba.njit(cache=True)
def tile_width(state: AnyComplexes, columns: int, workers: int) -> int:
    """How many columns a tile has, so that every worker gets one; a line at least, if the state has so many."""
    rows, line = state.shape[1] // columns, LINE_BYTES // state.itemsize
    width = max(line, min(_TILE_BYTES // rows, _MOST_TILE_ROW_BYTES) // state.itemsize)
    while width > line and state.shape[0] * columns < width * workers:
        width //= 2
    return min(width, columns)


@numba.njit(cache=True)
def place_of(item: int, width: int, columns: int, itemsize: int) -> Place:
    """The place of tile ``item`` of all circuits' tiles."""
    tiles = columns // width
    return Place(item // tiles, item % tiles * width, width, columns, max(width, LINE_BYTES // itemsize))


def make_tiles(count: int, rows: int, dtype: np.dtype) -> AnyReals:
    """Room for ``count`` of the largest tiles of so many rows, in reals of ``dtype``."""
    return aligned((count, max(_TILE_BYTES, rows * LINE_BYTES) // dtype.itemsize), dtype)


@numba.njit(cache=True)
def read(tile: AnyReals, place: Place, source: AnyComplexes) -> None:
    """Take the tile's columns from where they stand in ``source``."""
    state, width, gap = source[place.sample], place.width, place.gap
    flat, line = state.view(tile.dtype), LINE_BYTES // source.itemsize
    for row in range(state.size // place.columns):
        begin, start = row * place.columns + place.first, 2 * gap * row
        for column in range(0, width - width % line, line):
            prefetch(flat, 2 * (begin + _ROWS_AHEAD * place.columns + column))
            split_line(tile, start + column, gap, flat, 2 * (begin + column))
        for column in range(width - width % line, width):
            tile[start + column] = state[begin + column].real
            tile[start + gap + column] = state[begin + column].imag


@numba.njit(cache=True)
def store_back(tile: AnyReals, place: Place, target: AnyComplexes) -> None:
    """The inverse of `read`."""
    state, width, gap = target[place.sample], place.width, place.gap
    flat, line = state.view(tile.dtype), LINE_BYTES // target.itemsize
    for row in range(state.size // place.columns):
        begin, start = row * place.columns + place.first, 2 * gap * row
        for column in range(0, width - width % line, line):
            join_line(tile, start + column, gap, flat, 2 * (begin + column))
        for column in range(width - width % line, width):
            state[begin + column] = complex(tile[start + column], tile[start + gap + column])


@numba.njit(cache=True)
def write(tile: AnyReals, place: Place, target: AnyComplexes, targets: Targets, sweep: int) -> None:
    """Move the tile's columns to their places in ``target``."""
    state, rows, columns = target[place.sample], targets.rows[sweep], targets.columns[sweep]
    if targets.lined[sweep]:
        flat, line = state.view(tile.dtype), targets.line_rows.shape[1]
        starts, places = np.empty(line, np.int64), np.empty(line, np.int64)
        for column in range(0, place.width, line):
            for head in targets.heads[sweep]:
                _locate(starts, places, place, column, targets, sweep, head)
                write_block(tile, starts, place.gap, flat, places, targets.skews[sweep])
        return
    for row in range(rows.size):
        start = 2 * place.gap * row
        for column in range(place.width):
            amplitude = complex(tile[start + column], tile[start + place.gap + column])
            state[rows[row] ^ columns[place.first + column]] = amplitude


@numba.njit(cache=True)
def take_back(tile: AnyReals, place: Place, source: AnyComplexes, targets: Targets, sweep: int) -> None:
    """The inverse of `write`."""
    state, rows, columns = source[place.sample], targets.rows[sweep], targets.columns[sweep]
    if targets.lined[sweep]:
        flat, line = state.view(tile.dtype), targets.line_rows.shape[1]
        starts, places = np.empty(line, np.int64), np.empty(line, np.int64)
        for column in range(0, place.width, line):
            for head in targets.heads[sweep]:
                _locate(starts, places, place, column, targets, sweep, head)
                read_block(tile, starts, place.gap, flat, places, targets.skews[sweep])
        return
    for row in range(rows.size):
        start = 2 * place.gap * row
        for column in range(place.width):
            amplitude = state[rows[row] ^ columns[place.first + column]]
            tile[start + column], tile[start + place.gap + column] = amplitude.real, amplitude.imag


@numba.njit(cache=True, inline="always")
def _locate(
    starts: Integers, places: Integers, place: Place, column: int, targets: Targets, sweep: int, head: int
) -> None:
    """Where the rows of the head's block begin in the tile, and the block's lines in memory."""
    row_target, columns, line = targets.rows[sweep, head], targets.columns[sweep], starts.size
    within = (columns[place.first + column] ^ row_target) & (line - 1)
    for index in range(line):
        starts[index] = 2 * place.gap * (head ^ targets.line_rows[sweep, index ^ within]) + column
        places[index] = 2 * ((row_target ^ columns[place.first + column + index]) & -line)
