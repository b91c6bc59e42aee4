"""The tensile test as a plain loop over cards: NumPy, dense matrices, double precision.

The independent reference of `kernels.material.compiled`, with which it shares the mesh and the law, no more: its return
mapping solves the four equations of `kernels.material.lanes` as they stand, and its stiffness is a full matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.material.cards import POISSON_RATIO, Law
from kernels.material.specimen import Specimen

Array = NDArray[np.float64]

# relative to the yield stress, and to the largest force that a node carries
YIELD_TOLERANCE = 1e-12
EQUILIBRIUM_TOLERANCE = 1e-11
_MOST_ITERATIONS = 200


class History(NamedTuple):
    """One specimen of one card, float64; stresses and plastic strains are in the axes of orthotropy."""

    displacement: Array  # [steps, equations], m
    stress_pa: Array  # [steps, points, 3]
    plastic_strain: Array  # [steps, points], equivalent
    force_residual: Array  # [steps], over the largest force that a node carries
    iterations: Array  # [steps], of Newton's method


def compliance(young_pa: float) -> Array:
    """Of plane stress, [3, 3] in 1/Pa."""
    return np.array([[1, -POISSON_RATIO, 0], [-POISSON_RATIO, 1, 0], [0, 0, 2 + 2 * POISSON_RATIO]]) / young_pa


def return_map(card: Law, strain: Array, plastic: Array, kappa: Array) -> tuple[Array, Array, Array]:
    """Stress [points, 3] in Pa, equivalent plastic strain [points] and consistent tangent [points, 3, 3] in Pa.

    ``strain`` and ``plastic`` [points, 3] are the strain at the end of the step and its plastic part at the start;
    ``card`` is the law of one card, or of as many as there are points. Raises ArithmeticError.
    """
    elasticity = np.linalg.inv(compliance(1.0)) * np.atleast_1d(card.young_pa)[:, None, None]
    elasticity = np.broadcast_to(elasticity, (len(strain), 3, 3)).copy()
    trial = np.einsum("pij,pj->pi", elasticity, strain - plastic)
    limit = card.hardening.yield_stress_pa(kappa)
    effective = card.surface.effective_stress(trial)
    flows = effective > limit
    # radially back to the yield surface
    unknown = np.column_stack([np.where(flows, limit / effective, 1)[:, None] * trial, np.zeros(len(trial))])
    step, length, best = np.zeros_like(unknown), np.ones(len(trial)), np.full(len(trial), np.inf)
    for _ in range(_MOST_ITERATIONS):
        residual, matrix = _equations(card, elasticity, trial, kappa, unknown)
        error = np.where(flows, np.linalg.norm(residual, axis=1), 0.0)
        if error.max() <= YIELD_TOLERANCE:
            break
        worse = error > best
        length = np.where(worse, length / 2, 1.0)
        newton = -np.linalg.solve(matrix, residual[..., None])[..., 0]
        start = np.where(worse[:, None], unknown - 2 * length[:, None] * step, unknown)
        step = np.where(worse[:, None], step, newton)
        best = np.where(worse, best, error)
        unknown = np.where(flows[:, None], start + length[:, None] * step, unknown)
    else:
        raise ArithmeticError(
            f"return mapping: residual {error.max():.1e} of the yield stress after {_MOST_ITERATIONS}"
        )
    # how the solution moves with the trial stress
    moved = np.linalg.solve(matrix, np.eye(4)[:, :3] / limit[:, None, None])[:, :3]
    tangent = np.where(flows[:, None, None], moved @ elasticity, elasticity)
    return unknown[:, :3], kappa + np.where(flows, unknown[:, 3], 0.0), tangent


def _equations(card: Law, elasticity: Array, trial: Array, kappa: Array, unknown: Array) -> tuple[Array, Array]:
    """Residuals [points, 4] over the yield stress at the start, and their derivatives by (σ, λ), [points, 4, 4]."""
    stress, increment = unknown[:, :3], unknown[:, 3]
    scale = card.hardening.yield_stress_pa(kappa)
    limit, slope = card.hardening.value_and_slope_pa(kappa + increment)
    flow = np.einsum("pij,pj->pi", elasticity, card.surface.gradient(stress))
    residual = np.column_stack(
        [stress - trial + increment[:, None] * flow, card.surface.effective_stress(stress) - limit]
    )
    matrix = np.empty((len(stress), 4, 4))
    matrix[:, :3, :3] = np.eye(3) + increment[:, None, None] * (elasticity @ card.surface.hessian(stress))
    matrix[:, :3, 3] = flow
    matrix[:, 3, :3] = card.surface.gradient(stress)
    matrix[:, 3, 3] = -slope
    return residual / scale[:, None], matrix / scale[:, None, None]


def stretch(specimen: Specimen, card: Law, clamps: Array) -> History:
    """Pull one specimen of one card; ``clamps`` [steps] is the clamp's displacement. Raises ArithmeticError."""
    points = 4 * len(specimen.elements)
    displacement = specimen.elastic_displacement(POISSON_RATIO) * clamps[0]
    before = np.zeros_like(displacement)
    plastic, kappa = np.zeros((points, 3)), np.zeros(points)
    steps: list[tuple] = []
    for clamp in clamps:
        guess = displacement if not steps else 2 * displacement - before
        before = displacement if steps else before
        displacement, strain, stress, kappa, *totals = _equilibrate(specimen, card, clamp, guess, plastic, kappa)
        plastic = strain - stress @ compliance(float(card.young_pa[0]))
        steps.append((displacement, stress, kappa, *totals))
    return History(*(np.stack(field) for field in zip(*steps, strict=True)))


def _equilibrate(
    specimen: Specimen, card: Law, clamp: float, displacement: Array, plastic: Array, kappa: Array
) -> tuple[Array, Array, Array, Array, float, int]:
    """Displacement, strain, stress and equivalent plastic strain in balance: Newton's method with a line search.

    After them the force that is left out of balance and how many iterations it took.
    """
    direction: Array = np.zeros_like(displacement)
    length, slope = 1.0, 0.0
    for iteration in range(_MOST_ITERATIONS):
        strain = point_strains(specimen, displacement, clamp)
        stress, hardened, tangent = return_map(card, strain, plastic, kappa)
        force, stiffness, size = _assemble(specimen, stress, tangent)
        left = float(np.abs(force).max()) / size
        if left <= EQUILIBRIUM_TOLERANCE:
            return displacement, strain, stress, hardened, left, iteration + 1
        here = float(direction @ force)
        if here > -0.5 * slope > 0:
            displacement = displacement - length * direction
            length *= max(slope / (slope - here), 0.1)
        else:
            direction, length = -np.linalg.solve(stiffness, force).astype(np.float64), 1.0
            slope = float(direction @ force)
        displacement = displacement + length * direction
    raise ArithmeticError(f"tensile test at {specimen.angle_deg:g} degrees: force {left:.1e}")


def point_strains(specimen: Specimen, displacement: Array, clamp: float) -> Array:
    """Strains [points, 3] in the axes of orthotropy."""
    free = specimen.equation >= 0
    corners = np.where(free, specimen.sign * displacement[specimen.equation], specimen.lift * clamp)
    return np.einsum("egia,ea->egi", specimen.material_strain_displacement, corners).reshape(-1, 3)


def _assemble(specimen: Specimen, stress: Array, tangent: Array) -> tuple[Array, Array, float]:
    """Internal force [equations], stiffness [equations, equations] and the largest force of an element on a node."""
    shape = (*specimen.area.shape, 3)
    weighted = specimen.material_strain_displacement * specimen.area[..., None, None]
    forces = np.einsum("egia,egi->ea", weighted, stress.reshape(shape), optimize=True)
    matrices = specimen.material_strain_displacement
    blocks = np.einsum("egia,egij,egjb->eab", weighted, tangent.reshape(*shape, 3), matrices, optimize=True)
    blocks = specimen.sign[:, :, None] * blocks * specimen.sign[:, None, :]
    # what belongs to prescribed displacements gathers in the last row and column
    force = np.zeros(specimen.equations + 1)
    stiffness = np.zeros((specimen.equations + 1,) * 2)
    np.add.at(force, specimen.equation, specimen.sign * forces)
    np.add.at(stiffness, (specimen.equation[:, :, None], specimen.equation[:, None, :]), blocks)
    return force[:-1], stiffness[:-1, :-1], float(np.abs(forces).max())
