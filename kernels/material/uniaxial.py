"""Uniaxial tension of one element, whose answer is known: the card's r-values are what the sheet's flow must show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kernels.material.cards import LABEL_RANGES, POISSON_RATIO, law
from kernels.material.specimen import PRESCRIBED, Specimen, assemble
from kernels.material.tensile import Array, TensileTest, Tension

# the labels that are r-values, by the angle of the tension to the rolling direction, in degrees
R_VALUES = {0.0: "r00", 45.0: "r45", 90.0: "r90"}
# of a strip of 1 m, after each of ten steps
CLAMPS_M = np.arange(0.01, 0.105, 0.01)


def strip(angle_deg: float, columns: int = 1) -> Specimen:
    """A strip of 1 m by ½ m, free to contract and to shear, so that its stress is uniaxial and the same everywhere."""
    x, y = np.meshgrid(np.linspace(0, 1, columns + 1), [0.0, 0.5], indexing="ij")
    number = np.arange(x.size).reshape(x.shape)
    elements = np.stack([number[:-1, 0], number[1:, 0], number[1:, 1], number[:-1, 1]], axis=-1)
    equation = np.full((x.size, 2), PRESCRIBED)
    free = np.ones((columns + 1, 2, 2), bool)
    free[[0, -1], :, 0] = False
    free[0, 0, 1] = False
    equation[free.reshape(-1, 2)] = np.arange(free.sum())
    lift = np.zeros((x.size, 2))
    lift[number[-1], 0] = 1
    nodes = np.stack([x, y], axis=-1).reshape(-1, 2)
    return assemble(
        nodes, elements, equation, (equation >= 0).astype(np.float64), lift, np.arange(len(elements)), angle_deg
    )


def stress_along(tension: Tension, angle_deg: float) -> Array:
    """The stress in the direction of the tension, float64 [cards, points, steps] in Pa."""
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.einsum("cpis,i->cps", tension.stress_pa, [c * c, s * s, 2 * c * s])


def plastic_strains(cards: NDArray, tension: Tension, angle_deg: float) -> tuple[Array, Array]:
    """Along and across the tension of a `strip`, float64 [cards, steps]: what is left without the elastic strains."""
    elastic = stress_along(tension, angle_deg)[:, 0] / law(cards).young_pa[:, None]
    return tension.strain[:, 0, 0] - elastic, tension.strain[:, 1, 0] + POISSON_RATIO * elastic


def r_values(cards: NDArray, tension: Tension, angle_deg: float) -> Array:
    """Lankford's ratio of transverse to thickness plastic strain of a `strip`, float64 [cards, steps]."""
    along, across = plastic_strains(cards, tension, angle_deg)
    return -across / (along + across)


def r_value_error(stretch: Callable[[TensileTest, NDArray], Tension], cards: NDArray) -> float:
    """How far at worst, over all cards, angles and steps, the r-values of one element are from the cards'."""
    errors = [0.0]
    for angle_deg, label in R_VALUES.items():
        found = r_values(cards, stretch(TensileTest(strip(angle_deg), CLAMPS_M), cards), angle_deg)
        errors.append(float(np.abs(found - cards[:, list(LABEL_RANGES).index(label), None]).max()))
    return max(errors)
