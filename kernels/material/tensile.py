"""Three tensile tests of a sheet, simulated by finite elements: from a material card to one strain record.

Specimens (`kernels.material.specimen`) are cut at 0°, 90° and 45° to the rolling direction and stretched by 3 mm in ten
equal steps; the strains of 18 elements of the gauge are recorded. Strains are small strains. Forces are not recorded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.material import compiled, lanes
from kernels.material.cards import LABEL_RANGES, POISSON_RATIO, YIELD_PA, draw_cards, law
from kernels.material.specimen import Specimen, dog_bone

__all__ = ["ANGLES_DEG", "FEATURES", "LABEL_RANGES", "RECORD_SHAPE", "draw_cards", "simulate"]

Array = NDArray[np.float64]

ANGLES_DEG = (0.0, 90.0, 45.0)
ELEMENTS = 18
STEPS = 10
# half of 3 mm: the middle of the specimen stays where it is
CLAMP_M = 0.0015

RECORD_SHAPE = (2, len(ANGLES_DEG), ELEMENTS, STEPS)
FEATURES = int(np.prod(RECORD_SHAPE))


class Tension(NamedTuple):
    """What one specimen's test leaves, float64; stresses are in the axes of orthotropy.

    The residuals are the worst over all points and steps: |σ̄ − σ_Y|/σ_Y where the material flows, and the force out of
    balance over the largest that a node carries. ``iterations`` are Newton's, over all steps and groups of cards, and
    ``mapped`` those of the return mapping, over all points in all of them.
    """

    strain: Array  # [cards, 2, gauge elements, steps]: along and across the tension, means over the elements
    stress_pa: Array  # [cards, points, 3, steps]
    plastic_strain: Array  # [cards, points, steps], equivalent
    yield_residual: float
    force_residual: float
    mapped: int
    iterations: int


class TensileTest:
    """One specimen and how far its clamp is pulled after every step, [steps] in metres."""

    def __init__(self, specimen: Specimen, clamps: Array) -> None:
        self.specimen = specimen
        self.clamps = clamps
        # displacements of the card in the middle of the ranges, near which those of others are: Newton's method starts
        # from them, and for that card itself from an elastic sheet's
        self._predicted = clamps[:, None] * specimen.elastic_displacement(POISSON_RATIO)
        middle = np.array([[(low + high) / 2 for low, high in LABEL_RANGES.values()]])
        self._predicted = self._pull(middle)[0][:, :, 0].copy()

    def stretch(self, cards: NDArray) -> Tension:
        """Pull the specimen of every card, [cards, 8] in the order of `LABEL_RANGES`.

        Raises ArithmeticError when Newton's method does not converge, which it does for every card in the ranges.
        """
        starts = range(0, len(cards), lanes.LANES)
        parts = [self._stretch_group(cards[start : start + lanes.LANES]) for start in starts]
        return Tension(
            np.concatenate([part.strain for part in parts]),
            np.concatenate([part.stress_pa for part in parts]),
            np.concatenate([part.plastic_strain for part in parts]),
            max(part.yield_residual for part in parts),
            max(part.force_residual for part in parts),
            sum(part.mapped for part in parts),
            sum(part.iterations for part in parts),
        )

    def gauge_strain(self, moved: Array) -> Array:
        """[cards, 2, gauge elements, steps] of displacements [steps, equations, cards]: means over the elements."""
        specimen, gauge = self.specimen, self.specimen.gauge
        corners = moved[:, specimen.equation[gauge]] * specimen.sign[gauge][..., None]
        corners += (specimen.lift[gauge] * self.clamps[:, None, None])[..., None]
        matrices = specimen.strain_displacement[gauge, :, :2].mean(axis=1)
        return np.einsum("gia,sgal->ligs", matrices, corners, optimize=True)

    def _stretch_group(self, cards: NDArray) -> Tension:
        """As many cards as there are lanes, or fewer."""
        moved, points, *totals = self._pull(cards)
        points = points[..., : len(cards)]
        return Tension(
            self.gauge_strain(moved)[: len(cards)],
            np.moveaxis(points[:, :, :3] * YIELD_PA, (3, 0), (0, 3)),
            np.moveaxis(points[:, :, 3], (2, 0), (0, 2)),
            *totals,
        )

    def _pull(self, cards: NDArray) -> tuple:
        """What `compiled.stretch` returns."""
        specimen = self.specimen
        history = compiled.stretch(
            specimen.equation,
            specimen.sign,
            specimen.lift,
            specimen.material_strain_displacement,
            specimen.area,
            specimen.half_bandwidth,
            self._predicted,
            pack(cards),
            self.clamps,
            lanes.LANES,
        )
        if history[-1] < 0:
            raise ArithmeticError(
                f"tensile test at {specimen.angle_deg:g} degrees: force still {history[3]:.1e} out of balance"
            )
        return history


@lru_cache
def tensile_tests() -> tuple[TensileTest, ...]:
    """Those of a record, in the order of `ANGLES_DEG`, on what symmetry leaves of the specimens."""
    clamps = CLAMP_M * np.arange(1, STEPS + 1) / STEPS
    return tuple(TensileTest(dog_bone(angle, "half" if angle % 90 else "quarter"), clamps) for angle in ANGLES_DEG)


def simulate(cards: NDArray[np.float32]) -> NDArray[np.float32]:
    """Strain records, float32 [cards, 1080]: (εx, εy) × specimens × elements × steps, in C order.

    εx is along the tension, εy across it. ``cards`` is float32 [cards, 8] in the order of `LABEL_RANGES`.
    """
    return to_records([test.stretch(cards).strain for test in tensile_tests()])


def to_records(strains: list[Array]) -> NDArray[np.float32]:
    """Records of the specimens' gauge strains, [cards, 2, elements, steps] each."""
    return np.stack(strains, axis=2).astype(np.float32).reshape(len(strains[0]), FEATURES)


def pack(cards: NDArray) -> Array:
    """The lanes' fields, the last card repeated in the lanes that are left over; stresses in units of `YIELD_PA`."""
    surface, young_pa, hardening = law(cards[np.minimum(np.arange(lanes.LANES), len(cards) - 1)])
    fields = np.zeros((lanes.FIELDS, lanes.LANES))
    fields[lanes.EXPONENT : lanes.P + 1] = surface
    fields[lanes.YOUNG] = young_pa / YIELD_PA
    fields[lanes.SCALE] = hardening.scale_pa / YIELD_PA
    fields[lanes.PRESTRAIN] = hardening.prestrain
    fields[lanes.POWER] = hardening.exponent
    fields[lanes.START] = 1 - hardening.scale_pa / YIELD_PA * hardening.prestrain**hardening.exponent
    fields[lanes.POISSON] = POISSON_RATIO
    return fields.ravel()
