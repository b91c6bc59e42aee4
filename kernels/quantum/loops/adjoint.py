"""The adjoint method's inner loops, compiled by Numba: sweeps undone on two states, with the inner products on the way.

``state`` is the circuit's state, ``partner`` the observable applied to it; both are undone alike. Sums are in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kernels.compiling import numba
from kernels.quantum.circuits.arrays import AnyComplexes, AnyReals, Integers, Reals
from kernels.quantum.loops.lanes import VECTOR_BYTES
from kernels.quantum.loops.sweep import Numbers, Structure, parity, scale
from kernels.quantum.loops.tiles import (
    Place,
    Targets,
    place_of,
    store_back,
    take_back,
    tile_width,
)
from kernels.quantum.loops.turns import rotate


class InnerProducts(NamedTuple):
    """Imaginary parts of ``<partner| P |state>``, for each worker and circuit.

    With P each turn's Pauli product (workers, batch, turns); with P the projector on a row, at each step (workers,
    batch, steps, rows); with P a column's projector times the sign of a group's rows (workers, batch, groups, columns).
    """

    turns: Reals
    rows: Reals
    columns: Reals


@numba.njit(cache=True, nogil=True)
def unsweep(
    state: AnyComplexes,
    state_before: AnyComplexes,
    partner: AnyComplexes,
    partner_before: AnyComplexes,
    structure: Structure,
    number: int,
    numbers: Numbers,
    targets: Targets,
    tiles: AnyReals,
    sums: InnerProducts,
    worker: int,
    workers: int,
) -> None:
    """Undo sweep ``number``. ``numbers`` are those of the sweeps with all angles negated; a worker has two tiles."""
    columns, one, other = targets.columns.shape[1], tiles[2 * worker], tiles[2 * worker + 1]
    width = tile_width(state, columns, workers)
    for item in range(worker, state.shape[0] * (columns // width), workers):
        place = place_of(item, width, columns, state.itemsize)
        take_back(one, place, state, targets, number)
        take_back(other, place, partner, targets, number)
        for step in range(structure.step_ends[number + 1] - 1, structure.step_ends[number] - 1, -1):
            _unstep(one, other, place, structure, step, numbers, sums, worker)
        store_back(one, place, state_before)
        store_back(other, place, partner_before)


@numba.njit(cache=True)
def _unstep(
    one: AnyReals,
    other: AnyReals,
    place: Place,
    structure: Structure,
    step: int,
    numbers: Numbers,
    sums: InnerProducts,
    worker: int,
) -> None:
    order, sample, parts = structure.orders[step], place.sample, 2 * place.gap * one.itemsize // VECTOR_BYTES
    if structure.scaled[step]:
        _multiply_rows(one, other, place, sums.rows[worker, sample, step])
    for group in range(structure.group_ends[step], structure.group_ends[step + 1]):
        into = sums.columns[worker, sample, group, place.first : place.first + place.width]
        _multiply_columns(one, other, place, order.size, structure.group_masks[group], into)
    scale(one, place, structure, step, order, numbers)
    scale(other, place, structure, step, order, numbers)
    start, end = structure.turn_ends[step], structure.turn_ends[step + 1]
    for turn in range(start, end):
        near = 1 << structure.bits[turn]
        sums.turns[worker, sample, turn] += _multiply_turn(one, other, 2 * place.gap, order, near)
    bits, turns = structure.bits[start:end], structure.turns[start:end]
    rotate(one, parts, order, bits, turns, numbers.cosines[sample], numbers.sines[sample])
    rotate(other, parts, order, bits, turns, numbers.cosines[sample], numbers.sines[sample])


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _multiply_rows(one: AnyReals, other: AnyReals, place: Place, sums: Reals) -> None:
    width, gap = place.width, place.gap
    for row in range(sums.size):
        total, start = 0.0, 2 * gap * row
        a, b = one[start : start + width], one[start + gap : start + gap + width]
        c, d = other[start : start + width], other[start + gap : start + gap + width]
        for lane in range(width):
            total += np.float64(c[lane]) * b[lane] - np.float64(d[lane]) * a[lane]
        sums[row] += total


@numba.njit(cache=True, fastmath={"contract"})
def _multiply_columns(one: AnyReals, other: AnyReals, place: Place, rows: int, mask: int, sums: Reals) -> None:
    width, gap = place.width, place.gap
    for row in range(rows):
        sign, start = 1.0 - 2.0 * parity(row & mask), 2 * gap * row
        a, b = one[start : start + width], one[start + gap : start + gap + width]
        c, d = other[start : start + width], other[start + gap : start + gap + width]
        for lane in range(width):
            sums[lane] += sign * (np.float64(c[lane]) * b[lane] - np.float64(d[lane]) * a[lane])


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _multiply_turn(one: AnyReals, other: AnyReals, lanes: int, order: Integers, near: int) -> float:
    """``Re(partner_1* state_0 - partner_0* state_1)`` over all pairs of rows: P is a Pauli Y."""
    total = 0.0
    for inner in range(0, order.size, 2 * near):
        for row in range(inner, inner + near):
            zero, first = order[row] * lanes, order[row + near] * lanes
            w, x = one[zero : zero + lanes], one[first : first + lanes]
            y, z = other[zero : zero + lanes], other[first : first + lanes]
            for lane in range(lanes):
                total += np.float64(z[lane]) * w[lane] - np.float64(y[lane]) * x[lane]
    return total


@numba.njit(cache=True)
def contract(
    partner: AnyComplexes,
    row_factors: AnyComplexes,
    column_factors: AnyComplexes,
    row_targets: Integers,
    column_targets: Integers,
    row_sums: AnyComplexes,
    column_sums: AnyComplexes,
) -> None:
    """``<partner|`` times a product state's columns, for each row (batch, rows), and times its rows, likewise."""
    row_sums[:], column_sums[:] = 0.0, 0.0
    for sample in range(partner.shape[0]):
        for row in range(row_targets.size):
            total, scale = 0j, row_factors[sample, row]
            for column in range(column_targets.size):
                amplitude = np.conj(np.complex128(partner[sample, row_targets[row] ^ column_targets[column]]))
                total += amplitude * column_factors[sample, column]
                column_sums[sample, column] += amplitude * scale
            row_sums[sample, row] = total


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def apply_paulis(
    state: AnyComplexes,
    partner: AnyComplexes,
    flips: Integers,
    column_parts: AnyComplexes,
    ends: Integers,
    coefficients: AnyComplexes,
    row_signs: Integers,
    column_signs: Reals,
    worker: int,
    workers: int,
) -> None:
    """Write the observable's image of ``state`` to ``partner``; see `circuits.observables.AddressedPaulis`."""
    rows, columns = state.shape[1] // column_parts.shape[1], column_parts.shape[1]
    factors = np.empty(columns, np.complex128)
    for row in range(worker, rows, workers):
        for sample in range(state.shape[0]):
            partner[sample, row * columns : (row + 1) * columns] = 0
        for group in range(flips.size):
            factors[:] = column_parts[group]
            for term in range(ends[group], ends[group + 1]):
                scale = coefficients[term] * (1 - 2 * parity(row & row_signs[term]))
                for column in range(columns):
                    factors[column] += scale * column_signs[term, column]
            shift, begin = flips[group] % columns, (row ^ flips[group] // columns) * columns
            for sample in range(state.shape[0]):
                image = partner[sample, row * columns : (row + 1) * columns]
                for column in range(columns):
                    image[column] += factors[column] * state[sample, begin + (column ^ shift)]
