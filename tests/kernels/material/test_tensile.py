import itertools

import numpy as np
import pytest

from kernels.material import loop, tensile
from kernels.material.cards import law
from kernels.material.specimen import dog_bone
from kernels.material.uniaxial import CLAMPS_M, plastic_strains, r_value_error, r_values, stress_along, strip


@pytest.fixture(scope="module")
def cards():
    return tensile.draw_cards(20, np.random.default_rng(3)).astype(np.float64)


@pytest.fixture(scope="module")
def tensions(cards):
    return [test.stretch(cards) for test in tensile.tensile_tests()]


def test_one_element_in_tension_has_the_card_s_r_values_and_lies_on_the_analytic_curve(cards):
    for angle, column in ((0.0, 1), (45.0, 2), (90.0, 3)):
        tension = tensile.TensileTest(strip(angle), CLAMPS_M).stretch(cards)
        card = law(cards)
        uniaxial = card.surface.uniaxial(angle)
        stress = stress_along(tension, angle)
        along, _ = plastic_strains(cards, tension, angle)
        found = r_values(cards, tension, angle)
        # backward Euler is exact where the stress keeps its direction
        np.testing.assert_allclose(found, np.broadcast_to(cards[:, column, None], found.shape), rtol=1e-6)
        kappa = along / uniaxial.stress_ratio[:, None]
        swift = [card.hardening.yield_stress_pa(part) for part in kappa.T]
        np.testing.assert_allclose(stress[:, 0] * uniaxial.stress_ratio[:, None], np.transpose(swift), rtol=1e-7)


def test_wrong_r_value_is_an_error_of_its_size(cards):
    assert r_value_error(tensile.TensileTest.stretch, cards) < 1e-5
    wrong = cards.copy()
    wrong[7, 3] += 0.01
    assert r_value_error(lambda test, _: test.stretch(cards), wrong) == pytest.approx(0.01, rel=1e-3)


def test_several_elements_in_uniform_tension_are_as_one(cards):
    clamps = 0.02 * np.arange(1, 4)
    one, four = (tensile.TensileTest(strip(0.0, columns), clamps).stretch(cards).strain for columns in (1, 4))
    np.testing.assert_allclose(four, one.repeat(4, axis=2), rtol=1e-7)


def test_record_is_that_of_the_independent_loop(cards, tensions):
    for test, tension in zip(tensile.tensile_tests(), tensions, strict=True):
        moved = loop.stretch(test.specimen, law(cards[4:5]), test.clamps)
        np.testing.assert_allclose(
            tension.strain[4:5], test.gauge_strain(moved.displacement[..., None]), rtol=1e-6, atol=1e-8
        )
        np.testing.assert_allclose(tension.plastic_strain[4].T, moved.plastic_strain, atol=1e-8)


def test_half_specimen_at_45_degrees_is_half_of_the_whole(cards, tensions):
    clamps = tensile.tensile_tests()[2].clamps
    whole = tensile.TensileTest(dog_bone(45.0, "whole"), clamps).stretch(cards[:4])
    np.testing.assert_allclose(tensions[2].strain[:4], whole.strain, rtol=1e-6, atol=1e-8)


def test_quarter_is_not_enough_at_45_degrees(cards, tensions):
    clamps = tensile.tensile_tests()[2].clamps
    quarter = tensile.TensileTest(dog_bone(45.0, "quarter"), clamps).stretch(cards).strain
    assert np.abs(quarter - tensions[2].strain).max() > 1e-4
    isotropic = np.array([[8.0, 1.2, 1.2, 1.2, 1, 1, 1, 1]])
    halves = [tensile.TensileTest(dog_bone(45.0, part), clamps).stretch(isotropic) for part in ("quarter", "half")]
    np.testing.assert_allclose(halves[0].strain, halves[1].strain, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("angle", [0.0, 90.0])
def test_finer_meshes_converge_and_the_coarse_one_is_near(cards, angle):
    clamps = tensile.tensile_tests()[0].clamps
    coarse, finer, finest = (
        tensile.TensileTest(dog_bone(angle, "quarter", refinement), clamps).stretch(cards[:16]).strain.mean(axis=2)
        for refinement in (1, 2, 4)
    )
    errors = [np.abs(strain / finest - 1).max() for strain in (coarse, finer)]
    # of a gauge's mean strain; 2 % to a mesh eight times as fine
    assert errors[0] < 0.025
    assert errors[1] < errors[0] / 2.5


def test_residuals_are_small_and_flow_never_goes_back(tensions):
    for tension in tensions:
        assert tension.yield_residual < 1e-8
        assert tension.force_residual <= 1e-9
        assert tension.plastic_strain.min() >= 0
        assert np.all(np.diff(tension.plastic_strain, axis=-1) >= -1e-12)


def test_every_corner_of_the_ranges_converges():
    corners = np.array(list(itertools.product(*tensile.LABEL_RANGES.values())))
    for test in tensile.tensile_tests():
        tension = test.stretch(corners[::3])
        assert tension.yield_residual < 1e-8
        assert tension.plastic_strain.max() < 0.2


def test_sheet_that_does_not_yield_moves_as_an_elastic_one(cards):
    test = tensile.tensile_tests()[0]
    small = tensile.TensileTest(test.specimen, 1e-3 * test.clamps)
    elastic = small.clamps[:, None] * test.specimen.elastic_displacement(0.3)
    expected = small.gauge_strain(elastic[..., None])
    np.testing.assert_allclose(
        small.stretch(cards).strain, np.broadcast_to(expected, (20, 2, 18, 10)), rtol=1e-6, atol=1e-12
    )
    assert small.stretch(cards).plastic_strain.max() == 0


def test_isotropic_sheet_is_the_same_along_and_across():
    strains = [test.stretch(np.array([[2.0, 1, 1, 1, 1, 1, 1, 1]])).strain for test in tensile.tensile_tests()]
    np.testing.assert_allclose(strains[1], strains[0], rtol=1e-8)
    np.testing.assert_allclose(strains[2], strains[0], rtol=1e-6)


def test_record_is_components_by_specimens_by_elements_by_steps(cards, tensions):
    records = tensile.simulate(cards)
    assert (records.shape, records.dtype) == ((20, 1080), np.float32)
    shaped = records.reshape(20, 2, 3, 18, 10)
    for specimen, tension in enumerate(tensions):
        assert np.array_equal(shaped[:, :, specimen], tension.strain.astype(np.float32))


def test_record_depends_on_its_own_card_only(cards):
    np.testing.assert_allclose(tensile.simulate(cards[7:8])[0], tensile.simulate(cards)[7], rtol=1e-5)
