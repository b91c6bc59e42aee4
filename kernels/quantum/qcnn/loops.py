"""Two-qubit units on batches of small states, compiled by Numba: one sample a lane, forward and reverse mode.

States of a block of samples are a flat array of vectors (see `loops.lanes`): amplitude a has its real parts
in vector ``2 a`` and its imaginary parts in the next. Matrices are flat arrays of reals, 32 a unit: real and imaginary
parts of 4x4 entries in order. Unit u acts on the address bits ``bits[u]``, the first of which is the more significant
in its matrix. A block stays in cache through all units.
"""

from __future__ import annotations

import numpy as np

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyComplexes, AnyReals, Integers, Reals
from kernels.quantum.loops.lanes import VECTOR_BYTES, add_to, load, spread, store, wide


@numba.njit(cache=True, nogil=True)
def evaluate(
    states: AnyComplexes, bits: Integers, matrices: AnyReals, finals: AnyReals, values: Reals, worker: int, workers: int
) -> None:
    """Write ``<Z>`` of address bit 0 to ``values`` (batch,), the states after all units to ``finals`` (blocks, reals).

    ``states`` are complex of shape (batch, 2**qubits).
    """
    lanes = VECTOR_BYTES // finals.itemsize
    for block in range(worker, len(finals), workers):
        space, some = finals[block], states[block * lanes : (block + 1) * lanes]
        _take(space, some, lanes)
        for unit in range(len(bits)):
            _apply(space, bits[unit], matrices, 32 * unit, states.shape[1])
        _measure(space, values[block * lanes : (block + 1) * lanes], states.shape[1], lanes)


@numba.njit(cache=True, nogil=True)
def differentiate(
    slopes: AnyReals,
    bits: Integers,
    inverses: AnyReals,
    finals: AnyReals,
    partners: AnyReals,
    sums: Reals,
    gradients: AnyComplexes,
    worker: int,
    workers: int,
) -> None:
    """Reverse mode from ``slopes`` (batch,), derivatives by the values: undo the units on state and gradient.

    Adds gradients by the matrices' entries to ``sums`` (workers, units * 32 * lanes), lane by lane, and writes those by
    the states, if there is room (batch or 0, 2**qubits); both as torch has them, by real plus i by imaginary parts.
    ``inverses`` are the units' inverse matrices; ``finals``, from `evaluate`, are overwritten; a worker has a block of
    ``partners``.
    """
    lanes = VECTOR_BYTES // finals.itemsize
    partner, amplitudes = partners[worker], finals.shape[1] // (2 * lanes)
    for block in range(worker, len(finals), workers):
        space = finals[block]
        _begin(partner, space, slopes[block * lanes : (block + 1) * lanes], amplitudes, lanes)
        for unit in range(len(bits) - 1, -1, -1):
            _apply(space, bits[unit], inverses, 32 * unit, amplitudes)
            _multiply(partner, space, bits[unit], sums[worker], 32 * unit, amplitudes)
            _apply(partner, bits[unit], inverses, 32 * unit, amplitudes)
        some = gradients[block * lanes : (block + 1) * lanes]
        for sample in range(len(some)):
            for amplitude in range(amplitudes):
                start = 2 * amplitude * lanes + sample
                some[sample, amplitude] = complex(partner[start], partner[start + lanes])


@numba.njit(cache=True)
def _take(space: AnyReals, states: AnyComplexes, lanes: int) -> None:
    """The states of a block; lanes left over are zero."""
    for amplitude in range(states.shape[1]):
        start = 2 * amplitude * lanes
        space[start : start + 2 * lanes] = 0
        for sample in range(len(states)):
            space[start + sample] = states[sample, amplitude].real
            space[start + lanes + sample] = states[sample, amplitude].imag


@numba.njit(cache=True)
def _begin(partner: AnyReals, space: AnyReals, slopes: AnyReals, amplitudes: int, lanes: int) -> None:
    """The gradient of ``slope <Z>`` by the final state: ``2 slope Z`` on it."""
    for amplitude in range(amplitudes):
        sign = 2 * (1 - 2 * (amplitude & 1))
        for part in range(2 * amplitude * lanes, 2 * (amplitude + 1) * lanes, lanes):
            for sample in range(len(slopes)):
                partner[part + sample] = sign * slopes[sample] * space[part + sample]
            partner[part + len(slopes) : part + lanes] = 0


@numba.njit(cache=True, inline="always")
def _place(group: int, one: int, other: int) -> int:
    """The address that has zeros at two bits and the group's number in the others; ``one`` is below ``other``."""
    place = group + (group & -one)
    return place + (place & -other)


@numba.njit(cache=True)
def _apply(space: AnyReals, bits: Integers, matrices: AnyReals, first: int, amplitudes: int) -> None:
    a, b = 2 << bits[0], 2 << bits[1]
    for group in range(amplitudes // 4):
        i = 2 * _place(group, 1 << min(bits[0], bits[1]), 1 << max(bits[0], bits[1]))
        j, k, m = i + b, i + a, i + a + b
        w, x, y, z = load(space, i), load(space, j), load(space, k), load(space, m)
        p, q, r, s = load(space, i + 1), load(space, j + 1), load(space, k + 1), load(space, m + 1)
        for row in range(4):
            e = first + 8 * row
            real = spread(matrices, e) * w - spread(matrices, e + 1) * p
            real = real + spread(matrices, e + 2) * x - spread(matrices, e + 3) * q
            real = real + spread(matrices, e + 4) * y - spread(matrices, e + 5) * r
            real = real + spread(matrices, e + 6) * z - spread(matrices, e + 7) * s
            imaginary = spread(matrices, e) * p + spread(matrices, e + 1) * w
            imaginary = imaginary + spread(matrices, e + 2) * q + spread(matrices, e + 3) * x
            imaginary = imaginary + spread(matrices, e + 4) * r + spread(matrices, e + 5) * y
            imaginary = imaginary + spread(matrices, e + 6) * s + spread(matrices, e + 7) * z
            place = i + (row & 1) * b + (row >> 1) * a
            store(space, place, real)
            store(space, place + 1, imaginary)


@numba.njit(cache=True)
def _multiply(partner: AnyReals, space: AnyReals, bits: Integers, sums: Reals, first: int, amplitudes: int) -> None:
    """Add the products of the gradient's four amplitudes with the state's conjugate ones, over all groups."""
    a, b = 2 << bits[0], 2 << bits[1]
    zero = spread(np.zeros(1, space.dtype), 0)
    for row in range(4):
        offset, entry = (row & 1) * b + (row >> 1) * a, first + 8 * row
        e, f, g, h, t, u, v, o = zero, zero, zero, zero, zero, zero, zero, zero
        for group in range(amplitudes // 4):
            i = 2 * _place(group, 1 << min(bits[0], bits[1]), 1 << max(bits[0], bits[1]))
            j, k, m = i + b, i + a, i + a + b
            w, x, y, z = load(space, i), load(space, j), load(space, k), load(space, m)
            p, q, r, s = load(space, i + 1), load(space, j + 1), load(space, k + 1), load(space, m + 1)
            c, d = load(partner, i + offset), load(partner, i + offset + 1)
            e, f, g, h = e + c * w + d * p, f + c * x + d * q, g + c * y + d * r, h + c * z + d * s
            t, u, v, o = t + d * w - c * p, u + d * x - c * q, v + d * y - c * r, o + d * z - c * s
        for place, total in enumerate((e, t, f, u, g, v, h, o)):
            add_to(sums, entry + place, wide(total))


@numba.njit(cache=True)
def _measure(space: AnyReals, values: Reals, amplitudes: int, lanes: int) -> None:
    values[:] = 0.0
    for amplitude in range(amplitudes):
        sign = 1.0 - 2.0 * (amplitude & 1)
        for part in range(2 * amplitude * lanes, 2 * (amplitude + 1) * lanes, lanes):
            for sample in range(len(values)):
                real = np.float64(space[part + sample])
                values[sample] += sign * real * real
