import itertools

import numpy as np
import pytest

from kernels.material import tensile
from kernels.material.barlat_lian import Yld89


@pytest.fixture(scope="module")
def cards():
    return tensile.draw_cards(40, np.random.default_rng(3))


@pytest.fixture(scope="module")
def tension(cards):
    return tensile.stretch(cards.astype(np.float64))


def over_elements(values):
    """[cards] to a shape that broadcasts with [cards, specimens, elements, steps]."""
    return np.asarray(values, np.float64)[:, None, None, None]


def test_cards_lie_in_their_ranges_and_follow_the_seed(cards):
    for column, (low, high) in zip(cards.T, tensile.LABEL_RANGES.values(), strict=True):
        assert low <= column.min() < column.max() <= high
    assert np.array_equal(cards, tensile.draw_cards(40, np.random.default_rng(3)))
    assert not np.array_equal(cards, tensile.draw_cards(40, np.random.default_rng(4)))


def test_strains_give_the_r_values_of_the_card(cards, tension):
    elastic = tension.stress_pa / (over_elements(cards[:, 4]) * tensile.YOUNG_REFERENCE_PA)
    axial = tension.axial_strain - elastic
    transverse = tension.transverse_strain + tensile.POISSON_RATIO * elastic
    r00, r45, r90 = cards[:, 1:4].T
    found = -(transverse / (axial + transverse))[..., -1]
    for specimen, expected in enumerate((r00, r90, r45)):
        np.testing.assert_allclose(found[:, specimen], np.broadcast_to(expected[:, None], (40, 18)), rtol=1e-10)


def test_stress_and_strain_lie_on_the_analytic_swift_curve(cards, tension):
    exponent, r00, r45, r90, young, initial, scale, power = cards.astype(np.float64).T
    surface = Yld89.from_r_values(exponent, r00, r45, r90)
    n = over_elements(power * tensile.HARDENING_EXPONENT)
    scale_pa = over_elements(scale * tensile.HARDENING_REFERENCE_PA)
    for specimen, angle in enumerate(tensile.ANGLES_DEG):
        stress = tension.stress_pa[:, specimen : specimen + 1]
        ratio = over_elements(surface.uniaxial(angle).stress_ratio)
        hardened = ratio * stress - over_elements(initial * tensile.YIELD_REFERENCE_PA)
        total = np.maximum(hardened, 0) / scale_pa + tensile.PRESTRAIN**n
        plastic = total ** (1 / n) - tensile.PRESTRAIN
        strain = stress / over_elements(young * tensile.YOUNG_REFERENCE_PA) + ratio * plastic
        np.testing.assert_allclose(tension.axial_strain[:, specimen : specimen + 1], strain, rtol=1e-9)


def test_every_corner_of_the_ranges_converges():
    corners = np.array(list(itertools.product(*tensile.LABEL_RANGES.values())))
    tension = tensile.stretch(corners)
    assert tension.yield_residual.max() < 1e-10
    assert tension.plastic_strain.max() < 0.2


def test_elements_flow_on_the_yield_surface(tension):
    assert tension.yield_residual.max() < 1e-10
    assert tension.plastic_strain.min() >= 0
    assert np.all(np.diff(tension.plastic_strain, axis=-1) >= 0)


def test_chain_is_in_equilibrium_and_has_the_imposed_length(tension):
    force = tension.stress_pa * tensile.element_widths()[:, None]
    np.testing.assert_allclose(force, np.broadcast_to(force[:, :, :1], force.shape), rtol=1e-10)
    imposed = tensile.ELONGATION * np.arange(1, tensile.STEPS + 1) / tensile.STEPS
    np.testing.assert_allclose(tension.axial_strain.mean(axis=2), np.broadcast_to(imposed, (40, 3, 10)), rtol=1e-12)
    assert np.all(np.diff(tension.axial_strain, axis=2) < 0), "the narrowest element stretches most"


def test_material_that_does_not_yield_contracts_by_poisson(cards):
    strong = cards.astype(np.float64)
    strong[:, 5] = 1000.0
    tension = tensile.stretch(strong)
    np.testing.assert_allclose(tension.transverse_strain, -tensile.POISSON_RATIO * tension.axial_strain, rtol=1e-12)


def test_isotropic_sheet_is_the_same_in_all_directions():
    tension = tensile.stretch(np.array([[2.0, 1, 1, 1, 1, 1, 1, 1]]))
    np.testing.assert_allclose(tension.axial_strain[:, 1:], tension.axial_strain[:, :1].repeat(2, axis=1), rtol=1e-11)


def test_record_is_components_by_specimens_by_elements_by_steps(cards, tension):
    records = tensile.simulate(cards)
    assert (records.shape, records.dtype) == ((40, 1080), np.float32)
    shaped = records.reshape(40, 2, 3, 18, 10)
    assert np.array_equal(shaped[:, 0], tension.axial_strain.astype(np.float32))
    assert np.array_equal(shaped[:, 1], tension.transverse_strain.astype(np.float32))


def test_record_depends_on_its_own_card_only(cards):
    np.testing.assert_allclose(tensile.simulate(cards[7:8])[0], tensile.simulate(cards)[7], rtol=1e-6)


def test_tangent_is_the_derivative_of_the_returned_stress(cards):
    point = tensile.material_points(cards.astype(np.float64))
    plastic = np.full((40, 3, 18), 0.01)
    strain = np.full((40, 3, 18), 0.04)
    _, _, tangent = tensile.return_map(point, strain, plastic)
    above, below = (tensile.return_map(point, strain + step, plastic)[0] for step in (1e-6, -1e-6))
    np.testing.assert_allclose(tangent, (above - below) / 2e-6, rtol=1e-4)
