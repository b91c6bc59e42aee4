"""Turns of rows of vectors, compiled by Numba: RY, which is real, so that real and imaginary parts are lanes alike.

Row r of a space is its vectors ``parts * r`` to ``parts * (r + 1)`` (see `loops.lanes`). An order is the
rows, int64, as a frame numbers them; a turn acts on a bit of the place in the order. Turn ``number`` has its cosine and
its sine in that vector of the flat arrays ``cosines`` and ``sines``.
"""

from __future__ import annotations

from math import factorial, pi
from typing import NamedTuple

import numpy as np

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyReals, Integers, Reals
from kernels.quantum.loops.lanes import load, store

# 1 - y/2! + y^2/4! - ... and 1 - y/3! + y^2/5! - ..., and what float64 leaves out of pi/2
_COSINE_TERMS = tuple((-1) ** power / factorial(2 * power) for power in range(9))
_SINE_TERMS = tuple((-1) ** power / factorial(2 * power + 1) for power in range(9))
_REST = 6.123233995736766e-17


class Halves(NamedTuple):
    """Half of angles, as ``scales * angles[places] + constants``."""

    places: Integers
    scales: Reals
    constants: Reals


@numba.njit(cache=True, fastmath={"contract"})
def circle(angles: Reals, cosines: AnyReals, sines: AnyReals) -> None:
    """Cosines and sines, in double precision whatever the arrays' type: vectorised, which those of Numba are not.

    Taylor's series, whose rest is below 1e-16 up to pi/4 from the nearest multiple of pi/2.
    """
    for index in range(angles.size):
        quarters = np.rint(angles[index] * (2 / pi))
        x = (angles[index] - quarters * (pi / 2)) - quarters * _REST
        y, c, s = x * x, _COSINE_TERMS[-1], _SINE_TERMS[-1]
        for power in range(len(_COSINE_TERMS) - 2, -1, -1):
            c, s = c * y + _COSINE_TERMS[power], s * y + _SINE_TERMS[power]
        s *= x
        turned = quarters - 4 * np.floor(quarters / 4)
        odd = turned == 1 or turned == 3
        cosine, sine = (s, c) if odd else (c, s)
        cosines[index] = -cosine if turned == 1 or turned == 2 else cosine
        sines[index] = -sine if turned >= 2 else sine


@numba.njit(cache=True)
def rotate(
    space: AnyReals, parts: int, order: Integers, bits: Integers, numbers: Integers, cosines: AnyReals, sines: AnyReals
) -> None:
    """Turn bits of the place in the order, three at a time to spare traffic and products.

    All turns of a group but the last leave out the factor of their cosine, which the last makes up for.
    """
    triples = bits.size - bits.size % 3
    for index in range(0, triples, 3):
        _rotate_three(space, parts, order, 1 << bits[index : index + 3], numbers[index : index + 3], cosines, sines)
    if bits.size - triples == 2:
        _rotate_two(space, parts, order, 1 << bits[triples:], numbers[triples:], cosines, sines)
    elif bits.size - triples == 1:
        _rotate_one(space, parts, order, 1 << bits[triples], numbers[triples], cosines, sines)


@numba.njit(cache=True)
def _rotate_one(
    space: AnyReals, parts: int, order: Integers, near: int, number: int, cosines: AnyReals, sines: AnyReals
) -> None:
    c, s = load(cosines, number), load(sines, number)
    for group in range(order.size // 2):
        place = group + (group & -near)
        i, j = parts * order[place], parts * order[place + near]
        for part in range(parts):
            a, b = load(space, i + part), load(space, j + part)
            store(space, i + part, c * a - s * b)
            store(space, j + part, s * a + c * b)


@numba.njit(cache=True)
def _rotate_two(
    space: AnyReals, parts: int, order: Integers, ones: Integers, numbers: Integers, cosines: AnyReals, sines: AnyReals
) -> None:
    far, near = ones
    cosine = load(cosines, numbers[0])
    t = load(sines, numbers[0]) / cosine
    c, s = cosine * load(cosines, numbers[1]), cosine * load(sines, numbers[1])
    for group in range(order.size // 4):
        place = group + (group & -near)
        place += place & -far
        i, j = parts * order[place], parts * order[place + near]
        k, m = parts * order[place + far], parts * order[place + far + near]
        for part in range(parts):
            w, x, y, z = load(space, i + part), load(space, j + part), load(space, k + part), load(space, m + part)
            w, x, y, z = w - t * y, x - t * z, t * w + y, t * x + z
            store(space, i + part, c * w - s * x)
            store(space, j + part, s * w + c * x)
            store(space, k + part, c * y - s * z)
            store(space, m + part, s * y + c * z)


@numba.njit(cache=True)
def _rotate_three(
    space: AnyReals, parts: int, order: Integers, ones: Integers, numbers: Integers, cosines: AnyReals, sines: AnyReals
) -> None:
    # rows of a group by their far, middle and near bit: 000 i, 001 j, 010 k, 011 m, then 1xx p, q, v, o; their values
    # are a, b, d, e, then w, x, y, z; t and u are the first two turns' tangents, c and s the last one's cosine and sine
    # times the first two's cosines
    far, middle, near = ones
    one, other = load(cosines, numbers[0]), load(cosines, numbers[1])
    t, u, both = load(sines, numbers[0]) / one, load(sines, numbers[1]) / other, one * other
    c, s = both * load(cosines, numbers[2]), both * load(sines, numbers[2])
    for group in range(order.size // 8):
        place = group + (group & -near)
        place += place & -middle
        place += place & -far
        i, j = parts * order[place], parts * order[place + near]
        k, m = parts * order[place + middle], parts * order[place + middle + near]
        place += far
        p, q = parts * order[place], parts * order[place + near]
        v, o = parts * order[place + middle], parts * order[place + middle + near]
        for part in range(parts):
            a, b, d, e = load(space, i + part), load(space, j + part), load(space, k + part), load(space, m + part)
            w, x, y, z = load(space, p + part), load(space, q + part), load(space, v + part), load(space, o + part)
            a, w, b, x, d, y, e, z = (
                a - t * w,
                t * a + w,
                b - t * x,
                t * b + x,
                d - t * y,
                t * d + y,
                e - t * z,
                t * e + z,
            )
            a, d, b, e, w, y, x, z = (
                a - u * d,
                u * a + d,
                b - u * e,
                u * b + e,
                w - u * y,
                u * w + y,
                x - u * z,
                u * x + z,
            )
            store(space, i + part, c * a - s * b)
            store(space, j + part, s * a + c * b)
            store(space, k + part, c * d - s * e)
            store(space, m + part, s * d + c * e)
            store(space, p + part, c * w - s * x)
            store(space, q + part, s * w + c * x)
            store(space, v + part, c * y - s * z)
            store(space, o + part, s * y + c * z)
