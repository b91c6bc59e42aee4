"""The CPU's inner loops, compiled by Numba: see `kernels.quantum.fusion` for what a sweep is.

States are complex64 or complex128 of shape (batch, 2**qubits), C-contiguous. The functions that release the interpreter
lock do one worker's share of the work, so that several threads can call them together.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Complexes = NDArray[Any]
Integers = NDArray[np.int64]

# neighbouring columns are read together, as many as a tile in the second-level cache has room for: memory is then
# visited in runs long enough for its pages and for the prefetcher
_TILE_BYTES = 1 << 20
_MOST_TILE_ROW_BYTES = 512
# a block of a tile's rows stays in the first-level cache from its last rotations until it is written
_BLOCK_BYTES = 1 << 14
_FUSED_MULTIPLY_ADD = {"contract"}


@numba.njit(cache=True, nogil=True)
def prepare(
    target: Complexes,
    row_factors: Complexes,
    column_factors: Complexes,
    row_targets: Integers,
    column_targets: Integers,
    worker: int,
    workers: int,
) -> None:
    """Write the product state ``row_factors (batch, rows) x column_factors (batch, columns)``, permuted."""
    batch, rows, columns = target.shape[0], row_targets.size, column_targets.size
    for item in range(worker, batch * columns, workers):
        sample, column = divmod(item, columns)
        factor, address = column_factors[sample, column], column_targets[column]
        for row in range(rows):
            target[sample, row_targets[row] ^ address] = row_factors[sample, row] * factor


@numba.njit(cache=True, nogil=True)
def sweep(
    source: Complexes,
    target: Complexes,
    ends: Integers,
    bits: Integers,
    cosines: Floats,
    sines: Floats,
    tables: Complexes,
    row_targets: Integers,
    column_targets: Integers,
    worker: int,
    workers: int,
) -> None:
    """Apply steps to each tile of ``source`` and write it, permuted, to ``target``.

    Step s rotates the row bits ``bits[ends[s-1]:ends[s]]``, descending, by half angles whose ``cosines`` and ``sines``
    have shape (batch, rotations), then multiplies the rows by ``tables[:, s]``, shape (batch, steps, rows).
    """
    rows, columns = row_targets.size, column_targets.size
    width = min(columns, max(1, min(_TILE_BYTES // rows, _MOST_TILE_ROW_BYTES) // source.itemsize))
    block_rows = min(rows, max(1, _BLOCK_BYTES // (width * source.itemsize)))
    tiles, last_step = columns // width, ends.size - 2
    tile = np.empty((rows, width), source.dtype)
    for item in range(worker, source.shape[0] * tiles, workers):
        sample, first = item // tiles, item % tiles * width
        for row in range(rows):
            tile[row] = source[sample, row * columns + first : row * columns + first + width]
        addresses = column_targets[first : first + width]
        for step in range(last_step + 1):
            end = ends[step + 1]
            middle = end - np.sum((1 << bits[ends[step] : end]) < block_rows)
            _rotate(tile, bits, cosines[sample], sines[sample], ends[step], middle)
            for start in range(0, rows, block_rows):
                block = tile[start : start + block_rows]
                _rotate(block, bits, cosines[sample], sines[sample], middle, end)
                _scale(block, tables[sample, step, start : start + block_rows])
                if step == last_step:
                    _write(block, target[sample], row_targets[start : start + block_rows], addresses)


@numba.njit(cache=True)
def _scale(block: Complexes, factors: Complexes) -> None:
    for row in range(block.shape[0]):
        factor = factors[row]
        for column in range(block.shape[1]):
            block[row, column] *= factor


@numba.njit(cache=True)
def _write(block: Complexes, target: Complexes, row_targets: Integers, column_targets: Integers) -> None:
    for column in range(block.shape[1]):
        for row in range(block.shape[0]):
            target[row_targets[row] ^ column_targets[column]] = block[row, column]


@numba.njit(cache=True, fastmath=_FUSED_MULTIPLY_ADD)
def _rotate(block: Complexes, bits: Integers, cosines: Floats, sines: Floats, start: int, end: int) -> None:
    """RY on the row bits ``bits[start:end]``, two at a time to halve the traffic.

    The matrix is real, so real and imaginary parts are lanes alike.
    """
    lanes, row_lanes = block.reshape(-1).view(cosines.dtype), 2 * block.shape[1]
    paired = end - (end - start) % 2
    for index in range(start, paired, 2):
        far, near = row_lanes << bits[index], row_lanes << bits[index + 1]
        c, s, d, t = cosines[index], sines[index], cosines[index + 1], sines[index + 1]
        for outer in range(0, lanes.size, 2 * far):
            for inner in range(outer, outer + far, 2 * near):
                w, x = lanes[inner : inner + near], lanes[inner + near : inner + 2 * near]
                y, z = lanes[inner + far : inner + far + near], lanes[inner + far + near : inner + far + 2 * near]
                for lane in range(near):
                    a, b = c * w[lane] - s * y[lane], c * x[lane] - s * z[lane]
                    e, f = s * w[lane] + c * y[lane], s * x[lane] + c * z[lane]
                    w[lane], x[lane] = d * a - t * b, t * a + d * b
                    y[lane], z[lane] = d * e - t * f, t * e + d * f
    for index in range(paired, end):
        near = row_lanes << bits[index]
        c, s = cosines[index], sines[index]
        for inner in range(0, lanes.size, 2 * near):
            w, x = lanes[inner : inner + near], lanes[inner + near : inner + 2 * near]
            for lane in range(near):
                w[lane], x[lane] = c * w[lane] - s * x[lane], s * w[lane] + c * x[lane]


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def marginals(state: Complexes, row_sums: Floats, column_sums: Floats, worker: int, workers: int) -> None:
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
