"""The compiled return mapping against the independent one of `kernels.material.loop` and against itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.material import lanes, loop
from kernels.material.cards import YIELD_PA, draw_cards, law
from kernels.material.tensile import pack


def returned(cards, strain, kappa):
    """Stress in units of the initial yield stress, increment, tangent [lanes, 3, 3] and yield residual."""
    work = pack(cards).reshape(lanes.FIELDS, lanes.LANES)
    elasticity = np.linalg.inv(loop.compliance(1.0))
    work[lanes.TRIAL : lanes.TRIAL + 3] = work[lanes.YOUNG] * (elasticity @ strain)
    work[lanes.KAPPA] = kappa
    assert lanes.return_map(work.reshape(-1), lanes.LANES)[0] == 0
    xx, yy, ss, xy, xs, ys = work[lanes.TANGENT : lanes.TANGENT + 6]
    tangent = np.array([[xx, xy, xs], [xy, yy, ys], [xs, ys, ss]]).transpose(2, 0, 1)
    return work[lanes.STRESS : lanes.STRESS + 3].T, work[lanes.INCREMENT], tangent, work[lanes.YIELD_RESIDUAL]


def random_state(seed, size=0.02):
    generator = np.random.default_rng(seed)
    cards = draw_cards(lanes.LANES, generator).astype(np.float64)
    return cards, size * generator.normal(size=(3, lanes.LANES)), generator.uniform(0, 0.05, lanes.LANES)


# a few roundings of 1.1e-16 each, and of the C library one
@settings(deadline=None)
@given(st.floats(1e-140, 1e140))
def test_logarithm_is_that_of_the_c_library(value):
    assert lanes.log2(value) == pytest.approx(math.log2(value), rel=1e-15, abs=1e-15)


@settings(deadline=None)
@given(st.floats(-990, 990))
def test_power_of_two_is_that_of_the_c_library(value):
    assert lanes.exp2(value) == pytest.approx(2.0**value, rel=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_return_mapping_agrees_with_the_independent_one(seed):
    cards, strain, kappa = random_state(seed)
    stress, increment, tangent, _ = returned(cards, strain, kappa)
    right, hardened, moduli = loop.return_map(law(cards), strain.T, np.zeros((lanes.LANES, 3)), kappa)
    np.testing.assert_allclose(stress, right / YIELD_PA, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(kappa + increment, hardened, rtol=1e-8)
    scale = np.abs(moduli).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(tangent / (scale / YIELD_PA), moduli / scale, atol=1e-6)


@pytest.mark.parametrize("size", [1e-5, 1e-3, 1e-2, 1e-1, 1.0])
def test_yield_residual_of_any_strain_is_small(size):
    for seed in range(20):
        stress, increment, _, residual = returned(*random_state(seed, size))
        assert residual.max() < 1e-10
        assert increment.min() >= 0
        assert np.isfinite(stress).all()
    if size >= 1e-2:
        assert increment.min() > 0


def test_tangent_is_the_derivative_of_the_returned_stress():
    cards, strain, kappa = random_state(1)
    _, _, tangent, _ = returned(cards, strain, kappa)
    for column, axis in enumerate(1e-7 * np.eye(3)):
        above, below = (returned(cards, strain + step[:, None], kappa)[0] for step in (axis, -axis))
        scale = np.abs(tangent).max(axis=(1, 2))[:, None]
        np.testing.assert_allclose((above - below) / 2e-7 / scale, tangent[:, :, column] / scale, atol=1e-4)


def test_exponent_two_without_anisotropy_returns_as_von_mises_does():
    """Under equal biaxial tension the return is radial: (σ_trial − σ)(1 − ν)/E = λ/2."""
    cards = np.tile([2.0, 1, 1, 1, 1, 1, 1, 1], (lanes.LANES, 1))
    strain = np.tile([[0.005], [0.005], [0.0]], lanes.LANES)
    stress, increment, _, _ = returned(cards, strain, np.zeros(lanes.LANES))
    assert stress[:, 2] == pytest.approx(0, abs=1e-10)
    assert stress[:, 0] == pytest.approx(stress[:, 1], rel=1e-10)
    assert stress[:, 0] * YIELD_PA == pytest.approx(law(cards).hardening.yield_stress_pa(increment), rel=1e-9)
    assert stress[:, 0] * YIELD_PA == pytest.approx((0.005 - increment / 2) * 200e9 / 0.7, rel=1e-9)
