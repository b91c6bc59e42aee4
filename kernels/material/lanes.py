"""The return mapping of Yld89 with Swift's hardening for many cards at once: one vector lane a card.

Plane stress is solved for directly, in the stresses (σx, σy, τxy) and the increment λ of equivalent plastic strain at
the end of the step (backward Euler, associated flow):

    C(σ − σ_trial) + λ ∂σ̄/∂σ = 0,   σ̄(σ) − σ_Y(κ + λ) = 0

by Newton's method with a line search, since surfaces of high exponent have corners that plain Newton steps jump across
(W. M. Scherzinger, Computer Methods in Applied Mechanics and Engineering 317 (2017) 526-553). The consistent tangent is
Ξ − Ξn⊗Ξn/(n·Ξn + σ_Y'), Ξ = (C + λ ∂²σ̄/∂σ²)⁻¹ (J. C. Simo and T. J. R. Hughes, "Computational Inelasticity", 3.6).

Everything a lane needs lies in one flat float64 array, field after field, `LANES` values each: with one base address
and known distances the compiler can prove that lanes do not meet, and turns the loops over them into vector
instructions. The powers are ours for the same reason: a call to the C library would end that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba

Array = NDArray[np.float64]

# two vectors of eight: the second hides the latency of the first
LANES = 16
YIELD_TOLERANCE = 1e-11
_MOST_FROM_GUESS = 8
_MOST_ITERATIONS = 100

# the card: stresses in units of the initial yield stress
EXPONENT, A, C, H, P, YOUNG, SCALE, PRESTRAIN, POWER, START, POISSON = range(11)
# the point at the start of the step, and what is looked for
TRIAL, KAPPA, STRESS, INCREMENT = 11, 14, 15, 18
# the last point and the step from it that the line search shortens, its length and the squared error before it
FROM, STEP, LENGTH, ERROR, BUSY = 19, 23, 27, 28, 29
# xx, yy, ss, xy, xs, ys of the consistent tangent
TANGENT = 30
YIELD_RESIDUAL = 36
FIELDS = 37

_TINY = 1e-150
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
_jit = numba.njit(**_OPTIONS)
# a call that is left would keep the loop around it from becoming vector instructions
_inline = numba.njit(forceinline=True, **_OPTIONS)


@_inline
def log2(x: float) -> float:
    """Of a positive normal number, to two units in the last place: the series of atanh on √½ … √2."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - 0x3FE6A09E667F3BCD) >> 52
    mantissa = np.int64(bits - (exponent << 52)).view(np.float64)
    t = (mantissa - 1.0) / (mantissa + 1.0)
    s = t * t
    head = ((((s / 21 + 1 / 19) * s + 1 / 17) * s + 1 / 15) * s + 1 / 13) * s + 1 / 11
    series = ((((head * s + 1 / 9) * s + 1 / 7) * s + 1 / 5) * s + 1 / 3) * s + 1
    return np.float64(exponent) + t * series * 2.8853900817779268


@_inline
def exp2(x: float) -> float:
    """2**x for x from −1000 to 1000, held at 2**−1000 below, to one unit in the last place: Taylor on −½ … ½."""
    x = max(x, -1000.0)
    # adding 1.5·2^52 rounds to a whole number
    whole = (x + 6755399441055744.0) - 6755399441055744.0
    f = (x - whole) * 0.6931471805599453
    head = ((((f / 6227020800 + 1 / 479001600) * f + 1 / 39916800) * f + 1 / 3628800) * f + 1 / 362880) * f + 1 / 40320
    series = (((((head * f + 1 / 5040) * f + 1 / 720) * f + 1 / 120) * f + 1 / 24) * f + 1 / 6) * f + 0.5
    return ((series * f + 1) * f + 1) * np.int64((np.int64(whole) + 1023) << 52).view(np.float64)


@_inline
def effective_stress(work: Array, lane: int, x: float, y: float, shear: float) -> tuple:
    """σ̄ and what its derivatives are made of: K₂, q₁, q₂, q₃ (w|f/σ̄|^(M−2)/2) and f₁/σ̄, f₂/σ̄, f₃/σ̄."""
    power = work[EXPONENT * LANES + lane]
    a, c = work[A * LANES + lane], work[C * LANES + lane]
    half_sum = (x + work[H * LANES + lane] * y) / 2
    half_difference = (x - work[H * LANES + lane] * y) / 2
    skew = work[P * LANES + lane] * shear
    k2 = np.sqrt(half_difference * half_difference + skew * skew) + _TINY
    f1, f2, f3 = half_sum + k2, half_sum - k2, 2 * k2
    size = max(max(abs(f1), abs(f2)), f3)
    v1, v2, v3 = f1 / size, f2 / size, f3 / size
    e1 = a * exp2((power - 2) * log2(abs(v1) + _TINY))
    e2 = a * exp2((power - 2) * log2(abs(v2) + _TINY))
    e3 = c * exp2((power - 2) * log2(v3 + _TINY))
    total = (e1 * v1 * v1 + e2 * v2 * v2 + e3 * v3 * v3) / 2
    root = exp2(log2(total) / power)
    common = root * root / (2 * total)
    return size * root, k2, e1 * common, e2 * common, e3 * common, v1 / root, v2 / root, v3 / root


@_inline
def yield_stress(work: Array, lane: int, kappa: float) -> tuple[float, float]:
    """σ_Y and its slope."""
    total = work[PRESTRAIN * LANES + lane] + kappa
    swift = work[SCALE * LANES + lane] * exp2(work[POWER * LANES + lane] * log2(total))
    return work[START * LANES + lane] + swift, work[POWER * LANES + lane] * swift / total


@_jit
def _begin(work: Array, lanes: int) -> int:
    """Set elastic lanes to their trial stress, give the others a first guess; how many flow."""
    flowing = 0
    for lane in range(lanes):
        x, y = work[TRIAL * LANES + lane], work[(TRIAL + 1) * LANES + lane]
        shear = work[(TRIAL + 2) * LANES + lane]
        effective = effective_stress(work, lane, x, y, shear)[0]
        limit, slope = yield_stress(work, lane, work[KAPPA * LANES + lane])
        young = work[YOUNG * LANES + lane]
        flows = effective > limit * (1 + YIELD_TOLERANCE)
        known = work[INCREMENT * LANES + lane] > 0
        scale = limit / effective if flows else 1.0
        if not (flows and known):
            work[STRESS * LANES + lane] = scale * x
            work[(STRESS + 1) * LANES + lane] = scale * y
            work[(STRESS + 2) * LANES + lane] = scale * shear
            work[INCREMENT * LANES + lane] = (effective - limit) / (young + slope) if flows else 0.0
        work[BUSY * LANES + lane] = 1.0 if flows else 0.0
        work[LENGTH * LANES + lane] = 1.0
        work[ERROR * LANES + lane] = 1e300
        poisson = work[POISSON * LANES + lane]
        direct = young / (1 - poisson * poisson)
        work[TANGENT * LANES + lane] = direct
        work[(TANGENT + 1) * LANES + lane] = direct
        work[(TANGENT + 2) * LANES + lane] = young / (2 + 2 * poisson)
        work[(TANGENT + 3) * LANES + lane] = direct * poisson
        work[(TANGENT + 4) * LANES + lane] = 0.0
        work[(TANGENT + 5) * LANES + lane] = 0.0
        work[YIELD_RESIDUAL * LANES + lane] = 0.0
        flowing += 1 if flows else 0
    return flowing


@_jit
def _iterate(work: Array, lanes: int) -> int:
    """One Newton step, or a shorter one where the last did not help; how many lanes have not converged."""
    missing = 0
    for lane in range(lanes):
        x, y = work[STRESS * LANES + lane], work[(STRESS + 1) * LANES + lane]
        shear, increment = work[(STRESS + 2) * LANES + lane], work[INCREMENT * LANES + lane]
        power, h, p = work[EXPONENT * LANES + lane], work[H * LANES + lane], work[P * LANES + lane]
        young, poisson = work[YOUNG * LANES + lane], work[POISSON * LANES + lane]
        effective, k2, q1, q2, q3, u1, u2, u3 = effective_stress(work, lane, x, y, shear)
        limit, slope = yield_stress(work, lane, work[KAPPA * LANES + lane] + increment)

        # gradients: of K₂ along (e, -he, t)/2 and its normal v, of σ̄ along n
        e, t = (x - h * y) / (2 * k2), p * shear / k2
        b1, b2, b3 = e / 2, -h * e / 2, p * t
        v1, v2, v3 = -t / 2, h * t / 2, p * e
        s1 = q1 * u1 + q2 * u2
        s2 = q1 * u1 - q2 * u2 + 2 * q3 * u3
        n1, n2, n3 = s1 / 2 + s2 * b1, s1 * h / 2 + s2 * b2, s2 * b3

        # the flow's derivative times λ, added to the elastic compliance
        bend = increment * (power - 1) / effective
        c11, c12, c22 = bend * (q1 + q2 - s1 * s1), bend * (q1 - q2 - s1 * s2), bend * (q1 + q2 + 4 * q3 - s2 * s2)
        turn = increment * s2 / k2
        a1, a2, a3 = c11 / 2 + c12 * b1, c11 * h / 2 + c12 * b2, c12 * b3
        d1, d2, d3 = c12 / 2 + c22 * b1, c12 * h / 2 + c22 * b2, c22 * b3
        mxx = 1 / young + a1 / 2 + d1 * b1 + turn * v1 * v1
        myy = 1 / young + a2 * h / 2 + d2 * b2 + turn * v2 * v2
        mss = 2 * (1 + poisson) / young + d3 * b3 + turn * v3 * v3
        mxy = -poisson / young + a2 / 2 + d2 * b1 + turn * v1 * v2
        mxs = a3 / 2 + d3 * b1 + turn * v1 * v3
        mys = a3 * h / 2 + d3 * b2 + turn * v2 * v3
        ixx, iyy, iss = myy * mss - mys * mys, mxx * mss - mxs * mxs, mxx * myy - mxy * mxy
        ixy, ixs, iys = mxs * mys - mxy * mss, mxy * mys - mxs * myy, mxy * mxs - mxx * mys
        inverse = 1 / (mxx * ixx + mxy * ixy + mxs * ixs)

        # residuals, as strains and as a stress
        dx, dy = x - work[TRIAL * LANES + lane], y - work[(TRIAL + 1) * LANES + lane]
        ds = shear - work[(TRIAL + 2) * LANES + lane]
        r1 = (dx - poisson * dy) / young + increment * n1
        r2 = (dy - poisson * dx) / young + increment * n2
        r3 = 2 * (1 + poisson) * ds / young + increment * n3
        excess = effective - limit
        error = (young * young * (r1 * r1 + r2 * r2 + r3 * r3) + excess * excess) / (limit * limit)

        m1 = (ixx * n1 + ixy * n2 + ixs * n3) * inverse
        m2 = (ixy * n1 + iyy * n2 + iys * n3) * inverse
        m3 = (ixs * n1 + iys * n2 + iss * n3) * inverse
        o1 = (ixx * r1 + ixy * r2 + ixs * r3) * inverse
        o2 = (ixy * r1 + iyy * r2 + iys * r3) * inverse
        o3 = (ixs * r1 + iys * r2 + iss * r3) * inverse
        modulus = 1 / (n1 * m1 + n2 * m2 + n3 * m3 + slope)
        more = (excess - (n1 * o1 + n2 * o2 + n3 * o3)) * modulus

        busy = work[BUSY * LANES + lane] > 0
        done = error <= YIELD_TOLERANCE * YIELD_TOLERANCE
        length = work[LENGTH * LANES + lane]
        better = error <= (1 - 1e-4 * length) * work[ERROR * LANES + lane] or length < 1e-3
        if busy:
            work[TANGENT * LANES + lane] = ixx * inverse - m1 * m1 * modulus
            work[(TANGENT + 1) * LANES + lane] = iyy * inverse - m2 * m2 * modulus
            work[(TANGENT + 2) * LANES + lane] = iss * inverse - m3 * m3 * modulus
            work[(TANGENT + 3) * LANES + lane] = ixy * inverse - m1 * m2 * modulus
            work[(TANGENT + 4) * LANES + lane] = ixs * inverse - m1 * m3 * modulus
            work[(TANGENT + 5) * LANES + lane] = iys * inverse - m2 * m3 * modulus
            work[YIELD_RESIDUAL * LANES + lane] = abs(excess) / limit
        if better:
            work[FROM * LANES + lane], work[(FROM + 1) * LANES + lane] = x, y
            work[(FROM + 2) * LANES + lane], work[(FROM + 3) * LANES + lane] = shear, increment
            work[STEP * LANES + lane] = -o1 - m1 * more
            work[(STEP + 1) * LANES + lane] = -o2 - m2 * more
            work[(STEP + 2) * LANES + lane] = -o3 - m3 * more
            work[(STEP + 3) * LANES + lane] = more
            work[ERROR * LANES + lane] = error
            # no step may take back what has flowed
            length = min(1.0, 0.9 * increment / max(-more, _TINY))
        else:
            length = length / 2
        work[LENGTH * LANES + lane] = length
        if busy and not done:
            work[STRESS * LANES + lane] = work[FROM * LANES + lane] + length * work[STEP * LANES + lane]
            work[(STRESS + 1) * LANES + lane] = (
                work[(FROM + 1) * LANES + lane] + length * work[(STEP + 1) * LANES + lane]
            )
            work[(STRESS + 2) * LANES + lane] = (
                work[(FROM + 2) * LANES + lane] + length * work[(STEP + 2) * LANES + lane]
            )
            work[INCREMENT * LANES + lane] = work[(FROM + 3) * LANES + lane] + length * work[(STEP + 3) * LANES + lane]
        work[BUSY * LANES + lane] = 1.0 if busy and not done else 0.0
        missing += 1 if busy and not done else 0
    return missing


@_jit
def return_map(work: Array, lanes: int) -> tuple[int, int]:
    """Solve for all lanes; how many have not converged, and the iterations of Newton's method.

    Reads the card, `TRIAL` and `KAPPA`, and takes `STRESS` and `INCREMENT` for a first guess where that increment is
    positive; leaves there the solution, and in `TANGENT` and `YIELD_RESIDUAL` what belongs to it.
    """
    missing, iterations = _begin(work, lanes), 0
    while missing > 0 and iterations < _MOST_FROM_GUESS:
        missing = _iterate(work, lanes)
        iterations += 1
    if missing == 0:
        return 0, iterations
    # the guess was a bad one
    for lane in range(lanes):
        if work[BUSY * LANES + lane] > 0:
            work[INCREMENT * LANES + lane] = 0.0
    missing = _begin(work, lanes)
    while missing > 0 and iterations < _MOST_ITERATIONS:
        missing = _iterate(work, lanes)
        iterations += 1
    return missing, iterations
