"""The tensile test of many cards at once, compiled: one vector lane a card, Newton's method on a banded stiffness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba
from kernels.material import banded
from kernels.material.lanes import (
    INCREMENT,
    KAPPA,
    LANES,
    POISSON,
    STRESS,
    TANGENT,
    TRIAL,
    YIELD_RESIDUAL,
    YOUNG,
    return_map,
)

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# the force that is out of balance, relative to the largest that a node carries
EQUILIBRIUM_TOLERANCE = 1e-9
_MOST_ITERATIONS = 60

# of a Gauss point: plastic strain (xx, yy, ss) and κ at the start of the step; stress, increment of κ and plastic
# strain at its end
_PLASTIC, _KAPPA, _STRESS, _INCREMENT, _NEXT, _STATE = 0, 3, 4, 7, 8, 11

_jit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})


@_jit
def _point(work: Array, state: Array, strain: Array, lanes: int) -> tuple[int, int]:
    """What `return_map` says of one Gauss point, ``strain`` [3, lanes]: stress to ``state``, tangent to ``work``."""
    for lane in range(lanes):
        young, poisson = work[YOUNG * LANES + lane], work[POISSON * LANES + lane]
        direct = young / (1 - poisson * poisson)
        x, y = strain[0, lane] - state[_PLASTIC, lane], strain[1, lane] - state[_PLASTIC + 1, lane]
        work[TRIAL * LANES + lane] = direct * (x + poisson * y)
        work[(TRIAL + 1) * LANES + lane] = direct * (y + poisson * x)
        work[(TRIAL + 2) * LANES + lane] = young / (2 + 2 * poisson) * (strain[2, lane] - state[_PLASTIC + 2, lane])
    for lane in range(lanes):
        work[KAPPA * LANES + lane] = state[_KAPPA, lane]
        work[STRESS * LANES + lane] = state[_STRESS, lane]
        work[(STRESS + 1) * LANES + lane] = state[_STRESS + 1, lane]
        work[(STRESS + 2) * LANES + lane] = state[_STRESS + 2, lane]
        work[INCREMENT * LANES + lane] = state[_INCREMENT, lane]
    missing, mapped = return_map(work, lanes)
    for lane in range(lanes):
        young, poisson = work[YOUNG * LANES + lane], work[POISSON * LANES + lane]
        x, y = work[STRESS * LANES + lane], work[(STRESS + 1) * LANES + lane]
        shear = work[(STRESS + 2) * LANES + lane]
        state[_STRESS, lane], state[_STRESS + 1, lane], state[_STRESS + 2, lane] = x, y, shear
        state[_INCREMENT, lane] = work[INCREMENT * LANES + lane]
        state[_NEXT, lane] = strain[0, lane] - (x - poisson * y) / young
        state[_NEXT + 1, lane] = strain[1, lane] - (y - poisson * x) / young
        state[_NEXT + 2, lane] = strain[2, lane] - 2 * (1 + poisson) * shear / young
    return missing, mapped


@_jit
def _integrate(
    work: Array, matrix: Array, area: float, force: Array, stiffness: Array, product: Array, lanes: int
) -> None:
    """Add a Gauss point's share to its element's force [8, lanes] and stiffness [8, 8, lanes] (upper half)."""
    for a in range(8):
        x, y, s = matrix[0, a] * area, matrix[1, a] * area, matrix[2, a] * area
        for lane in range(lanes):
            force[a, lane] += (
                x * work[STRESS * LANES + lane]
                + y * work[(STRESS + 1) * LANES + lane]
                + s * work[(STRESS + 2) * LANES + lane]
            )
        for lane in range(lanes):
            xy, xs, ys = (
                work[(TANGENT + 3) * LANES + lane],
                work[(TANGENT + 4) * LANES + lane],
                work[(TANGENT + 5) * LANES + lane],
            )
            product[0, lane] = x * work[TANGENT * LANES + lane] + y * xy + s * xs
            product[1, lane] = x * xy + y * work[(TANGENT + 1) * LANES + lane] + s * ys
            product[2, lane] = x * xs + y * ys + s * work[(TANGENT + 2) * LANES + lane]
        for b in range(a, 8):
            x, y, s = matrix[0, b], matrix[1, b], matrix[2, b]
            for lane in range(lanes):
                stiffness[a, b, lane] += x * product[0, lane] + y * product[1, lane] + s * product[2, lane]


@_jit
def _assemble(
    equation: Integers,
    sign: Array,
    lift: Array,
    matrices: Array,
    area: Array,
    work: Array,
    states: Array,
    displacement: Array,
    clamp: float,
    band: Array,
    force: Array,
    lanes: int,
) -> tuple:
    """Internal force and tangent stiffness at a displacement.

    Returns how many points failed, the iterations of all return mappings, the worst yield residual and the largest
    force on a node, [lanes].
    """
    band[:] = 0.0
    force[:] = 0.0
    element_force, element_stiffness = np.empty((8, lanes)), np.empty((8, 8, lanes))
    strain, product, moved = np.empty((3, lanes)), np.empty((3, lanes)), np.empty((8, lanes))
    missing, mapped, residual, size = 0, 0, 0.0, np.zeros(lanes)
    for element in range(len(equation)):
        element_force[:] = 0.0
        element_stiffness[:] = 0.0
        for a in range(8):
            number, factor, fixed = equation[element, a], sign[element, a], lift[element, a] * clamp
            for lane in range(lanes):
                moved[a, lane] = fixed
            if number >= 0:
                for lane in range(lanes):
                    moved[a, lane] += factor * displacement[number, lane]
        for gauss in range(4):
            matrix = matrices[element, gauss]
            for row in range(3):
                strain[row] = 0.0
                for a in range(8):
                    entry = matrix[row, a]
                    for lane in range(lanes):
                        strain[row, lane] += entry * moved[a, lane]
            failed, iterations = _point(work, states[4 * element + gauss], strain, lanes)
            missing += failed
            mapped += iterations
            for lane in range(lanes):
                residual = max(residual, work[YIELD_RESIDUAL * LANES + lane])
            _integrate(work, matrix, area[element, gauss], element_force, element_stiffness, product, lanes)
        for a in range(8):
            for lane in range(lanes):
                size[lane] = max(size[lane], abs(element_force[a, lane]))
        for a in range(8):
            row = equation[element, a]
            if row < 0:
                continue
            factor = sign[element, a]
            for lane in range(lanes):
                force[row, lane] += factor * element_force[a, lane]
            for b in range(8):
                column = equation[element, b]
                if 0 <= column <= row:
                    both = factor * sign[element, b]
                    low, high = min(a, b), max(a, b)
                    for lane in range(lanes):
                        band[column, row - column, lane] += both * element_stiffness[low, high, lane]
    return missing, mapped, residual, size


@_jit
def _search(
    displacement: Array,
    base: Array,
    direction: Array,
    force: Array,
    band: Array,
    slope: Array,
    length: Array,
    lanes: int,
) -> None:
    """Go on by Newton's direction, or back a part of the last one in the lanes that it took too far.

    The work of a step is a convex function of the displacement, whose slope along a direction is direction·force.
    """
    out_of_balance = np.empty(force.shape)
    here, ahead = np.zeros(lanes), np.zeros(lanes)
    for row in range(len(force)):
        for lane in range(lanes):
            here[lane] += direction[row, lane] * force[row, lane]
            out_of_balance[row, lane] = force[row, lane]
    banded.solve(band, force, lanes)
    for row in range(len(force)):
        for lane in range(lanes):
            ahead[lane] -= force[row, lane] * out_of_balance[row, lane]
    for lane in range(lanes):
        if here[lane] > -0.5 * slope[lane] and slope[lane] < 0:
            length[lane] *= max(slope[lane] / (slope[lane] - here[lane]), 0.1)
        else:
            length[lane] = 1.0
            slope[lane] = ahead[lane]
            for row in range(len(force)):
                base[row, lane] = displacement[row, lane]
                direction[row, lane] = -force[row, lane]
    for row in range(len(force)):
        for lane in range(lanes):
            displacement[row, lane] = base[row, lane] + length[lane] * direction[row, lane]


@_jit
def stretch(
    equation: Integers,
    sign: Array,
    lift: Array,
    matrices: Array,
    area: Array,
    half_bandwidth: int,
    predicted: Array,
    work: Array,
    clamps: Array,
    lanes: int,
) -> tuple:
    """Pull the clamp to each of ``clamps`` in turn.

    Returns the displacements [steps, equations, lanes], the points' stresses and equivalent plastic strains [steps,
    points, 4, lanes] and, over all, the worst yield residual, the worst force out of balance, the iterations of all
    return mappings and those of the displacements; the last is negative when these did not converge.
    """
    equations, points = equation.max() + 1, 4 * len(equation)
    displacement, before = np.zeros((equations, lanes)), np.zeros((equations, lanes))
    band, force = np.empty((equations, half_bandwidth + 1, lanes)), np.empty((equations, lanes))
    base, direction = np.empty((equations, lanes)), np.zeros((equations, lanes))
    slope, length = np.zeros(lanes), np.ones(lanes)
    states = np.zeros((points, _STATE, lanes))
    moved, stressed = np.empty((len(clamps), equations, lanes)), np.empty((len(clamps), points, 4, lanes))
    worst_yield, worst_force, mapped, iterations = 0.0, 0.0, 0, 0
    for step in range(len(clamps)):
        for row in range(equations):
            for lane in range(lanes):
                now = displacement[row, lane]
                if step > 1:
                    displacement[row, lane] += now - before[row, lane]
                else:
                    displacement[row, lane] += predicted[step, row] - (predicted[0, row] if step else 0.0)
                before[row, lane] = now
        slope[:] = 0.0
        for _ in range(_MOST_ITERATIONS):
            missing, returned, residual, size = _assemble(
                equation, sign, lift, matrices, area, work, states, displacement, clamps[step], band, force, lanes
            )
            iterations += 1
            mapped += returned
            out = 0.0
            for row in range(equations):
                for lane in range(lanes):
                    out = max(out, abs(force[row, lane]) / size[lane])
            if missing == 0 and out <= EQUILIBRIUM_TOLERANCE:
                break
            banded.factorise(band, lanes)
            _search(displacement, base, direction, force, band, slope, length, lanes)
        else:
            return moved, stressed, residual, out, mapped, -iterations
        worst_yield, worst_force = max(worst_yield, residual), max(worst_force, out)
        moved[step] = displacement
        for point in range(points):
            states[point, _PLASTIC : _PLASTIC + 3] = states[point, _NEXT : _NEXT + 3]
            states[point, _KAPPA] += states[point, _INCREMENT]
            stressed[step, point, :3] = states[point, _STRESS : _STRESS + 3]
            stressed[step, point, 3] = states[point, _KAPPA]
    return moved, stressed, worst_yield, worst_force, mapped, iterations
