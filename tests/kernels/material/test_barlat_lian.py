import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.material.barlat_lian import Yld89

exponents = st.floats(2.0, 12.0)
r_values = st.floats(0.2, 4.0)


@pytest.mark.parametrize(
    ("exponent", "r00", "r45", "r90", "a", "c", "h", "p"),
    [
        (6, 1.8, 1.3, 2.2, 0.670392, 1.329608, 0.966988, 0.883466),
        (8, 0.7, 0.5, 0.8, 1.144415, 0.855585, 0.962533, 0.912205),
        (2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_coefficients_are_the_published_ones(exponent, r00, r45, r90, a, c, h, p):
    found = Yld89.from_r_values(exponent, r00, r45, r90)
    np.testing.assert_allclose(np.ravel(found[1:]), [a, c, h, p], atol=5e-7)


def test_p_keeps_the_term_that_vanishes_only_for_h_of_one():
    # without it p would be 0.984904 and the r-value at 45 degrees 0.4968
    card = Yld89.from_r_values(8, 0.8, 0.5, 0.6)
    assert card.p[0] == pytest.approx(0.985978, abs=5e-7)
    assert card.uniaxial(45).r_value[0] == pytest.approx(0.5, abs=1e-12)


@given(exponents, r_values, r_values, r_values)
def test_associated_flow_recovers_the_r_values(exponent, r00, r45, r90):
    card = Yld89.from_r_values(exponent, r00, r45, r90)
    found = [card.uniaxial(angle).r_value[0] for angle in (0, 45, 90)]
    np.testing.assert_allclose(found, [r00, r45, r90], rtol=1e-11)


@given(exponents, r_values, r_values, r_values, st.integers(0, 2**32 - 1))
def test_gradient_is_the_derivative_of_the_effective_stress(exponent, r00, r45, r90, seed):
    card = Yld89.from_r_values(exponent, r00, r45, r90)
    stress = np.random.default_rng(seed).normal(scale=300e6, size=(1, 3))
    step = 1e-5 * np.abs(stress).max()
    differences = [
        (card.effective_stress(stress + step * axis) - card.effective_stress(stress - step * axis))[0] / (2 * step)
        for axis in np.eye(3)
    ]
    np.testing.assert_allclose(card.gradient(stress)[0], differences, atol=1e-4)
    # Euler's theorem for a function of degree one
    assert np.sum(card.gradient(stress) * stress) == pytest.approx(card.effective_stress(stress)[0], rel=1e-12)


def test_exponent_two_without_anisotropy_is_von_mises():
    stress = np.random.default_rng(0).normal(size=(100, 3)) * 1e8
    x, y, shear = stress.T
    card = Yld89.from_r_values(np.full(100, 2.0), 1.0, 1.0, 1.0)
    np.testing.assert_allclose(card.effective_stress(stress), np.sqrt(x**2 + y**2 - x * y + 3 * shear**2), rtol=1e-13)


def test_flow_under_equal_biaxial_tension_is_finite():
    # K2 vanishes there, and with it a denominator
    card = Yld89.from_r_values(8, 1.0, 1.0, 1.0)
    np.testing.assert_allclose(card.gradient(np.array([[2e8, 2e8, 0.0]]))[0], [0.5, 0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("card", [(1.5, 1, 1, 1), (6, 0, 1, 1), (6, 1, -1, 1)])
def test_inadmissible_cards_are_refused(card):
    with pytest.raises(ValueError, match="Yld89"):
        Yld89.from_r_values(*card)
