"""Material cards: the eight labels of a strain record, and the elastic-plastic law that they stand for.

    E = E_norm·E_ref,   σ_Y(κ) = σ₀ + S_ratio·K·((c_mult·ε₀ + κ)^N − (c_mult·ε₀)^N),   N = n·n_pow

Swift's hardening on top of an initial yield stress, with associated flow of `Yld89` for M, r00, r45 and r90. What the
last four labels mean is this project's choice, made so that strains alone tell each of them: no strain changes when all
stresses are multiplied by one factor, so σ₀ is fixed. (Were initial yield, hardening and E all free over such ranges,
no method could bring their mean squared errors, in units of the ranges, under a sum of 0.070.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.material.barlat_lian import Yld89

Array = NDArray[np.float64]

YOUNG_REFERENCE_PA = 200e9
POISSON_RATIO = 0.3
YIELD_PA = 200e6
HARDENING_REFERENCE_PA = 500e6
HARDENING_EXPONENT = 0.3
PRESTRAIN = 0.01

LABEL_RANGES: dict[str, tuple[float, float]] = {
    "M": (5.0, 9.0),
    "r00": (0.5, 2.5),
    "r45": (0.5, 2.5),
    "r90": (0.5, 2.5),
    "E_norm": (0.3, 1.1),
    "S_ratio": (0.5, 1.5),
    "c_mult": (0.5, 1.5),
    "n_pow": (0.5, 1.5),
}


class Hardening(NamedTuple):
    """The flow curve of many cards: Swift's scale in Pa, its prestrain and its exponent, all of one shape."""

    scale_pa: Array
    prestrain: Array
    exponent: Array

    def yield_stress_pa(self, plastic_strain: Array) -> Array:
        """σ_Y(κ)."""
        return self.value_and_slope_pa(plastic_strain)[0]

    def value_and_slope_pa(self, plastic_strain: Array) -> tuple[Array, Array]:
        """σ_Y(κ) and dσ_Y/dκ."""
        total = self.prestrain + plastic_strain
        swift = self.scale_pa * total**self.exponent
        return YIELD_PA - self.scale_pa * self.prestrain**self.exponent + swift, self.exponent * swift / total


class Law(NamedTuple):
    """The elastic-plastic law of many cards, float64 [cards] each."""

    surface: Yld89
    young_pa: Array
    hardening: Hardening


def draw_cards(count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Material cards, float32 [count, 8], uniform over `LABEL_RANGES` in its order."""
    low, high = np.array(list(LABEL_RANGES.values())).T
    return generator.uniform(low, high, (count, len(LABEL_RANGES))).astype(np.float32)


def law(cards: NDArray) -> Law:
    """What the cards, [cards, 8] in the order of `LABEL_RANGES`, stand for; raises ValueError as `Yld89` does."""
    exponent, r00, r45, r90, young, scale, prestrain, power = np.asarray(cards, np.float64).T
    return Law(
        Yld89.from_r_values(exponent, r00, r45, r90),
        young * YOUNG_REFERENCE_PA,
        Hardening(scale * HARDENING_REFERENCE_PA, prestrain * PRESTRAIN, power * HARDENING_EXPONENT),
    )
