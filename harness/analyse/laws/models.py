"""The scaling laws: times over ranks as sums of known functions with unknown coefficients that are not negative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from msgspec import Struct

from harness.case import Mode

Values = Callable[[np.ndarray], np.ndarray]


class Law(Struct, frozen=True, kw_only=True):
    """How the time of a step depends on the number of ranks p.

    ``columns`` gives, from p [points], the functions whose weighted sum is the response [points, coefficients]; the
    response is the time in seconds, or where ``of_rate`` is set p over the time. ``parameters`` turns coefficients
    [..., coefficients] into what the law's authors call its parameters, each [...]; ``formula`` is theirs.
    """

    name: str
    formula: str
    columns: Values
    parameters: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    coefficients: int
    fewest_points: int
    of_rate: bool = False

    def respond(self, ranks: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Times [..., points] as responses, or responses as times: the same turn either way."""
        return ranks / values if self.of_rate else values


CONSTANT = Law(
    name="constant",
    formula="T = t",
    columns=lambda p: np.stack([np.ones_like(p)], axis=-1),
    parameters=lambda c: {"t_s": c[..., 0]},
    coefficients=1,
    fewest_points=2,
)

# Amdahl, AFIPS 1967: the serial fraction f of one rank's time is not divided
AMDAHL = Law(
    name="amdahl",
    formula="T = t1 (f + (1 - f) / p)",
    columns=lambda p: np.stack([np.ones_like(p), 1 / p], axis=-1),
    parameters=lambda c: {"t1_s": c[..., 0] + c[..., 1], "f": c[..., 0] / (c[..., 0] + c[..., 1])},
    coefficients=2,
    fewest_points=3,
)

# Gustafson, CACM 31, 1988: the scaled speed-up is s + (1 - s) p, where the problem grows with the ranks
GUSTAFSON = Law(
    name="gustafson",
    formula="T = t1 p / (s + (1 - s) p)",
    columns=lambda p: np.stack([np.ones_like(p), p], axis=-1),
    parameters=lambda c: {"t1_s": 1 / (c[..., 0] + c[..., 1]), "s": c[..., 0] / (c[..., 0] + c[..., 1])},
    coefficients=2,
    fewest_points=3,
    of_rate=True,
)


def _usl_parameters(coefficients: np.ndarray) -> Mapping[str, np.ndarray]:
    t1_s = coefficients[..., 0]
    sigma, kappa = coefficients[..., 1] / t1_s, coefficients[..., 2] / t1_s
    peak = np.sqrt(np.maximum(1 - sigma, 0) / kappa)
    return {"t1_s": t1_s, "sigma": sigma, "kappa": kappa, "peak_ranks": np.maximum(peak, 1)}


def _usl(formula: str, columns: Values) -> Law:
    """Gunther, "Guerrilla Capacity Planning" (2007), equation 4.28: contention sigma, coherency kappa, a peak."""
    return Law(
        name="usl", formula=formula, columns=columns, parameters=_usl_parameters, coefficients=3, fewest_points=4
    )


USL_STRONG = _usl(
    "T = t1 (1 + sigma (p - 1) + kappa p (p - 1)) / p", lambda p: np.stack([1 / p, 1 - 1 / p, p - 1], axis=-1)
)
USL_WEAK = _usl(
    "T = t1 (1 + sigma (p - 1) + kappa p (p - 1))", lambda p: np.stack([np.ones_like(p), p - 1, p * (p - 1)], axis=-1)
)

# exponents (i/j, k) of p^(i/j) log2(p)^k: Ritter et al., "Learning Cost-Effective Sampling Strategies for Empirical
# Performance Modeling" (IPDPS 2020), equation 3
_PMNF_POWERS = {
    0: "0 1/4 1/3 1/2 2/3 3/4 4/5 1 5/4 4/3 3/2 5/3 7/4 2 9/4 7/3 5/2 8/3 11/4 3",
    1: "0 1/4 1/3 1/2 2/3 3/4 1 5/4 4/3 3/2 2 5/2 3",
    2: "0 1/4 1/3 1/2 2/3 3/4 1 3/2 2 5/2",
}


def _pmnf(power: Fraction, logarithms: int) -> Law:
    """One term of the performance model normal form (Calotoiu et al., SC13, equation 1)."""
    words = [f"p^({power})" if power != 1 else "p"] * (power > 0)
    words += ["log2(p)" if logarithms == 1 else f"log2(p)^{logarithms}"] * (logarithms > 0)
    return Law(
        name="pmnf",
        formula=f"T = c0 + c1 {' '.join(words)}",
        columns=lambda p: np.stack([np.ones_like(p), p ** float(power) * np.log2(p) ** logarithms], axis=-1),
        parameters=lambda c: {"c0_s": c[..., 0], "c1_s": c[..., 1]},
        coefficients=2,
        fewest_points=5,
    )


PMNF = tuple(
    _pmnf(Fraction(power), logarithms)
    for logarithms, powers in _PMNF_POWERS.items()
    for power in powers.split()
    if logarithms or power != "0"
)


def laws_of(mode: Mode) -> tuple[Law, ...]:
    """The laws that a scaling mode can follow, those with fewer coefficients first."""
    if mode == "strong":
        return CONSTANT, AMDAHL, *PMNF, USL_STRONG
    return (CONSTANT, GUSTAFSON, *PMNF, USL_WEAK) if mode == "weak" else (CONSTANT, *PMNF)
