"""From angles to the numbers that sweeps multiply by, compiled by Numba: many small tables in one call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyReals, Integers, Reals
from kernels.quantum.loops.lanes import VECTOR_BYTES
from kernels.quantum.loops.sweep import Numbers
from kernels.quantum.loops.turns import Halves, circle


class Phases(NamedTuple):
    """Tables of factors: t is the product of the phases ``ends[t]`` to ``ends[t + 1]``.

    A phase is ``exp(-i angle/2)``, conjugate in states with an odd number of ones in ``state & mask``.
    """

    ends: Integers
    masks: Integers
    halves: Halves


@numba.njit(cache=True)
def bind(angles: Reals, turns: Halves, rows: Phases, columns: Phases, numbers: Numbers) -> None:
    """Fill in the numbers for angles (batch, parameters), in radians."""
    lanes = VECTOR_BYTES // numbers.cosines.itemsize
    halves, cosines, sines = np.empty((3, turns.places.size))
    exponents, real, imaginary = np.empty((3, max(numbers.tables.shape[2], numbers.groups.shape[3])))
    for sample in range(len(angles)):
        for turn in range(halves.size):
            halves[turn] = turns.scales[turn] * angles[sample, turns.places[turn]] + turns.constants[turn]
        circle(halves, cosines, sines)
        for turn in range(halves.size):
            numbers.cosines[sample, turn * lanes : (turn + 1) * lanes] = cosines[turn]
            numbers.sines[sample, turn * lanes : (turn + 1) * lanes] = sines[turn]
        size = numbers.tables.shape[2]
        for table in range(rows.ends.size - 1):
            _fill_exponents(exponents[:size], angles[sample], rows, table)
            circle(exponents[:size], real, imaginary)
            for row in range(size):
                numbers.tables[sample, table, row] = complex(real[row], -imaginary[row])
        size = numbers.groups.shape[3]
        for table in range(columns.ends.size - 1):
            _fill_exponents(exponents[:size], angles[sample], columns, table)
            # factors are exp(-i x)
            np.negative(exponents[:size], exponents[:size])
            circle(exponents[:size], numbers.groups[sample, table, 0], numbers.groups[sample, table, 1])


@numba.njit(cache=True)
def _fill_exponents(exponents: AnyReals, angles: Reals, phases: Phases, table: int) -> None:
    """Half the sum of the table's angles, in each state with the sign of each phase."""
    exponents[:] = 0.0
    for phase in range(phases.ends[table], phases.ends[table + 1]):
        halves = phases.halves
        exponents[phases.masks[phase]] += halves.scales[phase] * angles[halves.places[phase]] + halves.constants[phase]
    walsh(exponents)


@numba.njit(cache=True)
def walsh(values: AnyReals) -> None:
    """The Walsh-Hadamard transform of ``2**bits`` values: entry s becomes the sum of (-1)^(ones of s & m) values[m]."""
    near = 1
    while near < values.size:
        for outer in range(0, values.size, 2 * near):
            for inner in range(outer, outer + near):
                one, other = values[inner], values[inner + near]
                values[inner], values[inner + near] = one + other, one - other
        near *= 2


@numba.njit(cache=True)
def walsh_each(values: AnyReals) -> None:
    """`walsh` of each table of each circuit, (batch, tables, states)."""
    for sample in range(values.shape[0]):
        for table in range(values.shape[1]):
            walsh(values[sample, table])
