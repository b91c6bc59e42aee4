import numpy as np
import pytest

from kernels.material.specimen import GAUGE_HALF_LENGTH_M, PRESCRIBED, dog_bone


@pytest.mark.parametrize(("part", "elements"), [("quarter", 39), ("half", 78), ("whole", 156)])
def test_mesh_fills_the_part_of_the_specimen(part, elements):
    specimen = dog_bone(0.0, part)
    quarter = dog_bone(0.0, "quarter")
    assert specimen.elements.shape == (elements, 4)
    assert specimen.area.min() > 0
    assert specimen.area.sum() == pytest.approx(quarter.area.sum() * elements / 39, rel=1e-12)


def test_gauge_is_the_same_eighteen_elements_in_every_part():
    middles = []
    for part in ("quarter", "half", "whole"):
        specimen = dog_bone(45.0, part)
        middles.append(specimen.nodes[specimen.elements[specimen.gauge]].mean(axis=1))
    assert middles[0].shape == (18, 2)
    assert middles[0].min() > 0
    assert middles[0][:, 0].max() < GAUGE_HALF_LENGTH_M
    np.testing.assert_allclose(middles[1], middles[0])
    np.testing.assert_allclose(middles[2], middles[0])


def test_patch_of_distorted_elements_has_the_strain_of_a_linear_displacement():
    specimen = dog_bone(45.0, "half")
    slope = np.array([[0.3, -0.2], [0.7, 0.5]])
    corners = (specimen.nodes @ slope.T)[specimen.elements].reshape(len(specimen.elements), 8)
    strain = np.einsum("egia,ea->egi", specimen.strain_displacement, corners)
    np.testing.assert_allclose(strain, np.broadcast_to([0.3, 0.5, 0.5], strain.shape), atol=1e-12)


def test_strains_in_the_axes_of_orthotropy_are_turned_by_the_angle():
    turned = dog_bone(90.0, "quarter")
    straight = turned.strain_displacement
    np.testing.assert_allclose(turned.material_strain_displacement[..., 0, :], straight[..., 1, :], atol=1e-9)
    # pure stretch at 45° is half stretch either way and a full shear
    slanting = dog_bone(45.0, "half")
    ratio = slanting.material_strain_displacement - np.array([[[0.5, 0.5, -0.5], [0.5, 0.5, 0.5], [1, -1, 0]]]) @ (
        slanting.strain_displacement
    )
    np.testing.assert_allclose(ratio, 0, atol=1e-9)


def test_half_turn_ties_the_cut_to_itself():
    specimen = dog_bone(45.0, "half")
    corners = specimen.nodes[specimen.elements].reshape(-1, 2)
    equation, sign = specimen.equation.reshape(-1, 2), specimen.sign.reshape(-1, 2)
    on_cut = corners[:, 0] == 0
    above, below = on_cut & (corners[:, 1] > 1e-9), on_cut & (corners[:, 1] < -1e-9)
    for y, numbers in zip(corners[below][:, 1], equation[below], strict=True):
        mirrored = equation[above][np.isclose(corners[above][:, 1], -y)]
        assert (mirrored == numbers).all()
    assert (sign[below] == -1).all()
    assert (equation[on_cut & ~above & ~below] == PRESCRIBED).all()


def test_elastic_half_and_whole_agree():
    half, whole = dog_bone(45.0, "half"), dog_bone(45.0, "whole")
    strains = []
    for specimen in (half, whole):
        moved = specimen.elastic_displacement(0.3)
        free = specimen.equation >= 0
        corners = np.where(free, specimen.sign * moved[specimen.equation], specimen.lift)
        strains.append(np.einsum("egia,ea->egi", specimen.strain_displacement, corners)[specimen.gauge])
    np.testing.assert_allclose(strains[0], strains[1], rtol=1e-9, atol=1e-9)
