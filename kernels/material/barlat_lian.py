"""The plane-stress yield function of Barlat and Lian (1989), known as Yld89, with associated flow.

    Φ = a|K₁+K₂|^M + a|K₁−K₂|^M + c|2K₂|^M = 2σ̄^M,
    K₁ = (σx + hσy)/2,  K₂ = √(((σx − hσy)/2)² + p²τxy²)

F. Barlat and J. Lian, "Plastic behavior and stretchability of sheet metals. Part I: A yield function for orthotropic
sheets under plane stress conditions", International Journal of Plasticity 5 (1989) 51-66.

Stresses are in the orthotropy axes: x is the rolling direction, y the transverse one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# halving a bracket of order one this often leaves less than float64 can resolve
_BISECTIONS = 60


class Uniaxial(NamedTuple):
    """Tension in one in-plane direction, float64 [cards]: stress and flow directions are constant along it.

    ``stress_ratio`` is effective stress over axial stress. Per unit of equivalent plastic strain, the plastic strain
    is ``stress_ratio`` along the tension (Euler's theorem for the homogeneous σ̄) and ``transverse_flow`` across it.
    """

    stress_ratio: Array
    transverse_flow: Array

    @property
    def r_value(self) -> Array:
        """Lankford's ratio of transverse to thickness plastic strain; plastic flow keeps the volume."""
        return -self.transverse_flow / (self.stress_ratio + self.transverse_flow)


class Yld89(NamedTuple):
    """The coefficients of many material cards, float64 [cards] each, dimensionless."""

    exponent: Array
    a: Array
    c: Array
    h: Array
    p: Array

    @classmethod
    def from_r_values(cls, exponent: ArrayLike, r00: ArrayLike, r45: ArrayLike, r90: ArrayLike) -> Yld89:
        """The coefficients that give the r-values exactly; the arguments broadcast to [cards].

        R = r00/(1+r00), H = r90/(1+r90): c = 2√(RH), a = 2 − c, h = √(R/H) (Barlat and Lian 1989);
        p is the root of the associated-flow equation of r45, see `_r45_residual`. Raises ValueError for an exponent
        below 2 or an r-value that is not positive.
        """
        exponent, r00, r45, r90 = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(value, np.float64)) for value in (exponent, r00, r45, r90))
        )
        if not (np.all(exponent >= 2) and np.all(np.minimum(np.minimum(r00, r45), r90) > 0)):
            raise ValueError("Yld89 wants exponents of at least 2 and positive r-values")
        ratio_x, ratio_y = r00 / (1 + r00), r90 / (1 + r90)
        c = 2 * np.sqrt(ratio_x * ratio_y)
        h = np.sqrt(ratio_x / ratio_y)
        return cls(exponent, 2 - c, c, h, _solve_p(exponent, 2 - c, c, h, r45))

    def effective_stress(self, stress: Array) -> Array:
        """σ̄ [cards] of the stresses σx, σy, τxy [cards, 3], in their unit: σ̄ = (Φ/2)^(1/M)."""
        size = np.abs(stress).max(axis=-1)
        plus, minus, shear, _ = self._invariants(stress / _positive(size)[..., None])
        total = self.a * (np.abs(plus) ** self.exponent + np.abs(minus) ** self.exponent)
        total += self.c * (2 * shear) ** self.exponent
        return size * (total / 2) ** (1 / self.exponent)

    def gradient(self, stress: Array) -> Array:
        """∂σ̄/∂(σx, σy, τxy), [cards, 3]: the associated flow, its last component an engineering shear strain.

        ``stress`` is [cards, 3] and not zero; the gradient does not depend on its size.
        """
        unit = stress / np.abs(stress).max(axis=-1, keepdims=True)
        plus, minus, shear, half_difference = self._invariants(unit)
        power = self.exponent - 1
        slope_plus = self.a * np.sign(plus) * np.abs(plus) ** power
        slope_minus = self.a * np.sign(minus) * np.abs(minus) ** power
        by_k1 = slope_plus + slope_minus
        # where K₂ vanishes so do the numerators: σ̄ is smooth there for M ≥ 2
        by_k2_over_k2 = (slope_plus - slope_minus + 2 * self.c * (2 * shear) ** power) / _positive(shear)
        along_x = (by_k1 + by_k2_over_k2 * half_difference) / 2
        along_y = self.h * (by_k1 - by_k2_over_k2 * half_difference) / 2
        across = by_k2_over_k2 * self.p**2 * unit[..., 2]
        scale = 2 * self.effective_stress(unit) ** power
        return np.stack([along_x, along_y, across], axis=-1) / scale[..., None]

    def hessian(self, stress: Array) -> Array:
        """∂²σ̄/∂(σx, σy, τxy)², [cards, 3, 3], in the inverse of the stress's unit.

        From (σ̄^M)'' of the three powers of Φ and of the curvature of K₂; ``stress`` is [cards, 3] and not zero.
        """
        size = np.abs(stress).max(axis=-1)
        unit = stress / size[..., None]
        plus, minus, shear, half_difference = self._invariants(unit)
        shear = _positive(shear)
        along, skew = half_difference / shear, self.p * unit[..., 2] / shear
        zero, half = np.zeros_like(shear), np.full_like(shear, 0.5)
        by_k1 = np.stack([half, self.h / 2 + zero, zero], axis=-1)
        by_k2 = np.stack([along / 2, -self.h * along / 2, self.p * skew], axis=-1)
        normal = np.stack([-skew / 2, self.h * skew / 2, self.p * along], axis=-1)
        power = self.exponent
        curvature = zero
        total = np.zeros((*shear.shape, 3, 3))
        for weight, value, k1, k2 in ((self.a, plus, 1, 1), (self.a, minus, 1, -1), (self.c, 2 * shear, 0, 2)):
            direction = k1 * by_k1 + k2 * by_k2
            steepness = weight * (power - 1) * np.abs(value) ** (power - 2)
            total += steepness[..., None, None] * direction[..., :, None] * direction[..., None, :]
            curvature = curvature + weight * k2 * np.sign(value) * np.abs(value) ** (power - 1)
        total += (curvature / shear)[..., None, None] * normal[..., :, None] * normal[..., None, :]
        effective, gradient = self.effective_stress(unit), self.gradient(unit)
        total /= (2 * effective ** (power - 1))[..., None, None]
        steepness = (power - 1) / effective
        total -= steepness[..., None, None] * gradient[..., :, None] * gradient[..., None, :]
        return total / size[..., None, None]

    def uniaxial(self, angle_deg: float) -> Uniaxial:
        """Tension at an angle to the rolling direction, in degrees."""
        cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
        stress = np.broadcast_to([cos * cos, sin * sin, cos * sin], (*self.p.shape, 3))
        flow = self.gradient(stress)
        transverse = flow @ np.array([sin * sin, cos * cos, -sin * cos])
        return Uniaxial(self.effective_stress(stress), transverse)

    def _invariants(self, stress: Array) -> tuple[Array, Array, Array, Array]:
        """K₁+K₂, K₁−K₂, K₂ and (σx − hσy)/2."""
        half_sum = (stress[..., 0] + self.h * stress[..., 1]) / 2
        half_difference = (stress[..., 0] - self.h * stress[..., 1]) / 2
        shear = np.hypot(half_difference, self.p * stress[..., 2])
        return half_sum + shear, half_sum - shear, shear, half_difference


def _positive(size: Array) -> Array:
    return np.maximum(size, np.finfo(np.float64).tiny)


def _r45_residual(p: Array, exponent: Array, a: Array, c: Array, h: Array, r45: Array) -> Array:
    """Negative where ``p`` gives less than ``r45``.

    r45 = 2Mσ̄^M/((Φ_x + Φ_y)σ₄₅) − 1 at the unit tension σx = σy = τxy = 1/2, cleared of denominators. Every term of
    Φ_x + Φ_y is kept, the derivative of K₂ in the last one too, which vanishes only for h = 1.
    """
    skew = ((1 - h) / 4) ** 2
    k2 = np.sqrt(skew + p**2 / 4)
    minus, plus = (1 + h) / 4 - k2, (1 + h) / 4 + k2
    by_k1, by_k2 = (1 + h) / 2, 2 * skew / k2
    total = a * np.sign(minus) * np.abs(minus) ** (exponent - 1) * (minus - (1 + r45) * (by_k1 - by_k2))
    total += a * plus ** (exponent - 1) * (plus - (1 + r45) * (by_k1 + by_k2))
    return total + c * 2**exponent * k2 ** (exponent - 1) * (k2 - (1 + r45) * by_k2)


def _solve_p(exponent: Array, a: Array, c: Array, h: Array, r45: Array) -> Array:
    """The positive root of `_r45_residual` by bisection: negative at p → 0 for any r45 > −1/2, positive at large p."""
    card = (exponent, a, c, h, r45)
    high = np.ones_like(r45)
    while np.any(below := _r45_residual(high, *card) < 0):
        high = np.where(below, 2 * high, high)
    low = np.zeros_like(high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = _r45_residual(middle, *card) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
