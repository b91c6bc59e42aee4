"""Three tensile tests of a sheet, simulated at the material point: from a material card to one strain record.

Specimens are cut at 0°, 90° and 45° to the rolling direction. The gauge, from its middle to the shoulder, is a chain
of 18 elements in series whose width grows smoothly (`TAPER`), so that all carry one force and each takes its own share
of the imposed elongation, which depends on how the material hardens. Every element is a material point under the
uniaxial condition (σ transverse = τ = 0), stepped by an implicit return mapping; equilibrium of the chain is found by
Newton's method with the consistent tangent. Strains are small strains. Forces are not recorded, so E, the yield stress
and the hardening scale are told apart only up to one common factor.

The full finite-element specimen (plane-stress quadrilaterals, shear coupling at 45°) will take the place of
`stretch`; the record that `simulate` makes of it stays.

The elastic-plastic law of a card (reference values are this project's choice):

    E = E_norm·E_ref,   σ_Y(κ) = S_ratio·σ₀ + c_mult·K·((ε₀ + κ)^N − ε₀^N),   N = n·n_pow

Swift's hardening on top of an initial yield stress of its own, with associated flow of `Yld89`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.material.barlat_lian import Yld89

Array = NDArray[np.float64]

YOUNG_REFERENCE_PA = 200e9
POISSON_RATIO = 0.3
YIELD_REFERENCE_PA = 200e6
HARDENING_REFERENCE_PA = 500e6
HARDENING_EXPONENT = 0.2
PRESTRAIN = 0.002

ANGLES_DEG = (0.0, 90.0, 45.0)
ELEMENTS = 18
STEPS = 10
# half of a 3 mm stretch over half of a 50 mm gauge
ELONGATION = 0.0015 / 0.025
TAPER = 0.02

RECORD_SHAPE = (2, len(ANGLES_DEG), ELEMENTS, STEPS)
FEATURES = int(np.prod(RECORD_SHAPE))

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

# relative to the yield stress, and to the imposed elongation
YIELD_TOLERANCE = 1e-12
EQUILIBRIUM_TOLERANCE = 1e-12
_MOST_ITERATIONS = 50


class Hardening(NamedTuple):
    """The flow curve of many cards: initial yield and Swift scale in Pa and the exponent, all of one shape."""

    initial_pa: Array
    scale_pa: Array
    exponent: Array

    def yield_stress_pa(self, plastic_strain: Array) -> Array:
        """σ_Y(κ) = S_ratio·σ₀ + c_mult·K·((ε₀ + κ)^N − ε₀^N)."""
        return self.value_and_slope_pa(plastic_strain)[0]

    def value_and_slope_pa(self, plastic_strain: Array) -> tuple[Array, Array]:
        """σ_Y(κ) and dσ_Y/dκ."""
        total = PRESTRAIN + plastic_strain
        swift = self.scale_pa * total**self.exponent
        start = self.initial_pa - self.scale_pa * PRESTRAIN**self.exponent
        return start + swift, self.exponent * swift / total


class Tension(NamedTuple):
    """What the simulation leaves: float64 [cards, specimens, elements, steps], strains dimensionless.

    ``yield_residual`` is |stress_ratio·σ − σ_Y(κ)|/σ_Y(κ) where the element flows and 0 where it is elastic.
    """

    axial_strain: Array
    transverse_strain: Array
    stress_pa: Array
    plastic_strain: Array
    yield_residual: Array


class MaterialPoints(NamedTuple):
    """The elastic-plastic law at all points, each field broadcasting with [cards, specimens, elements]."""

    young_pa: Array
    stress_ratio: Array
    transverse_flow: Array
    hardening: Hardening


def draw_cards(count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Material cards, float32 [count, 8], uniform over `LABEL_RANGES` in its order."""
    low, high = np.array(list(LABEL_RANGES.values())).T
    return generator.uniform(low, high, (count, len(LABEL_RANGES))).astype(np.float32)


def simulate(cards: NDArray[np.float32]) -> NDArray[np.float32]:
    """Strain records, float32 [cards, 1080]: (εx, εy) × specimens × elements × steps, in C order.

    εx is along the tension, εy across it. ``cards`` is float32 [cards, 8] in the order of `LABEL_RANGES`.
    """
    tension = stretch(cards.astype(np.float64))
    strains = np.stack([tension.axial_strain, tension.transverse_strain], axis=1)
    return strains.astype(np.float32).reshape(len(cards), FEATURES)


def element_widths() -> Array:
    """Widths relative to the narrowest, float64 [elements], from the middle of the gauge to its shoulder."""
    position = (np.arange(ELEMENTS) + 0.5) / ELEMENTS
    return 1 + TAPER * position**2


def stretch(cards: Array) -> Tension:
    """Stretch the three specimens of every card (float64 [cards, 8]) in equal steps.

    Raises ArithmeticError when Newton's method does not converge, which no card in `LABEL_RANGES` does.
    """
    points = material_points(cards)
    shape = (len(cards), len(ANGLES_DEG), ELEMENTS)
    strain, plastic = np.zeros(shape), np.zeros(shape)
    history = [np.empty((*shape, STEPS)) for _ in Tension._fields]
    for step in range(STEPS):
        # shares of the elongation change little from one step to the next
        strain = strain * ((step + 1) / step) if step else np.full(shape, ELONGATION / STEPS)
        strain, stress, plastic = _equilibrate(points, strain, plastic, ELONGATION * (step + 1) / STEPS)
        transverse = points.transverse_flow * plastic - POISSON_RATIO * stress / points.young_pa
        residual = _yield_residual(points, stress, plastic)
        for array, values in zip(history, (strain, transverse, stress, plastic, residual), strict=True):
            array[..., step] = values
    return Tension(*history)


def material_points(cards: Array) -> MaterialPoints:
    """The law of cards, float64 [cards, 8], along the three directions of `ANGLES_DEG`."""
    exponent, r00, r45, r90, young, initial, scale, power = cards.T
    surface = Yld89.from_r_values(exponent, r00, r45, r90)
    tensions = [surface.uniaxial(angle) for angle in ANGLES_DEG]
    column = (slice(None), None, None)
    return MaterialPoints(
        (young * YOUNG_REFERENCE_PA)[column],
        np.stack([tension.stress_ratio for tension in tensions], axis=1)[..., None],
        np.stack([tension.transverse_flow for tension in tensions], axis=1)[..., None],
        Hardening(
            (initial * YIELD_REFERENCE_PA)[column],
            (scale * HARDENING_REFERENCE_PA)[column],
            (power * HARDENING_EXPONENT)[column],
        ),
    )


def return_map(
    points: MaterialPoints, strain: Array, plastic: Array, guess: Array | None = None
) -> tuple[Array, Array, Array]:
    """Stress in Pa, equivalent plastic strain and consistent tangent dσ/dε in Pa at the end of a step.

    Backward Euler under the uniaxial condition: the stress keeps its direction, so with φ = ``stress_ratio`` the
    increment solves φE(ε − φκ) = σ_Y(κ), one equation for κ ≥ ``plastic`` (that at the start of the step).
    The left side less the right is convex and falls, hence Newton's method approaches the root from the left without
    overshooting. Strains are axial; all arrays are [cards, specimens, elements]. Raises ArithmeticError.
    """
    trial = points.stress_ratio * points.young_pa
    stiffness = trial * points.stress_ratio
    kappa = plastic if guess is None else guess
    for _ in range(_MOST_ITERATIONS):
        yield_pa, slope = points.hardening.value_and_slope_pa(kappa)
        excess = trial * strain - stiffness * kappa - yield_pa
        # no unloading below the start of the step: the elastic points stay there
        following = np.maximum(kappa + excess / (stiffness + slope), plastic)
        change = np.abs(following - kappa) * (stiffness + slope) / yield_pa
        kappa = following
        if change.max() <= YIELD_TOLERANCE:
            break
    else:
        raise ArithmeticError(f"return mapping: relative yield residual {change.max():.1e} after {_MOST_ITERATIONS}")
    stress = points.young_pa * (strain - points.stress_ratio * kappa)
    tangent = np.where(kappa > plastic, points.young_pa * slope / (stiffness + slope), points.young_pa)
    return stress, kappa, tangent


def _equilibrate(
    points: MaterialPoints, strain: Array, plastic: Array, elongation: float
) -> tuple[Array, Array, Array]:
    """Strain, stress and plastic strain at which all elements carry one force and the mean strain is ``elongation``."""
    width = element_widths()
    kappa = plastic
    for _ in range(_MOST_ITERATIONS):
        stress, kappa, tangent = return_map(points, strain, plastic, guess=kappa)
        missing = elongation - strain.mean(axis=-1, keepdims=True)
        force = (np.mean(stress / tangent, axis=-1, keepdims=True) + missing) / np.mean(
            1 / (width * tangent), axis=-1, keepdims=True
        )
        change = (force / width - stress) / tangent
        if np.abs(change).max() <= EQUILIBRIUM_TOLERANCE * elongation:
            return strain, stress, kappa
        strain = strain + change
    raise ArithmeticError(f"chain of elements: strain still changes by {np.abs(change).max():.1e}")


def _yield_residual(points: MaterialPoints, stress: Array, plastic: Array) -> Array:
    yield_pa = points.hardening.yield_stress_pa(plastic)
    residual = (points.stress_ratio * stress - yield_pa) / yield_pa
    return np.where(plastic > 0, np.abs(residual), np.maximum(residual, 0.0))
