import pytest

from kernels.api import InputError
from kernels.material.tensile_fem import KERNEL


@pytest.mark.parametrize("backend", list(KERNEL.backends))
def test_both_backends_are_right_by_the_other(backend):
    workload = KERNEL.prepare(backend, KERNEL.parameters(cards=1, seed=5))
    assert not workload.verify().passed
    workload.step()
    assert workload.verify().passed
    workload.records[-1, 700] += 1e-6
    assert not workload.verify().passed


def test_point_off_its_yield_surface_does_not_verify():
    workload = KERNEL.prepare("numpy", KERNEL.parameters(cards=1))
    workload.step()
    workload.tensions[1].stress_pa[0, 3, :, -1] *= 1 + 1e-7
    assert workload.verify().error > 1e300


def test_work_grows_with_the_groups_of_lanes_and_counts_the_cards():
    small, large = (KERNEL.prepare("compiled", KERNEL.parameters(cards=cards)).work() for cards in (16, 48))
    assert (small.items, small.item, small.dtype) == (16, "card", "float64")
    # a Gauss point's thousand operations, 624 of them, six iterations a step or so
    assert 16 * 624 * 1000 * 10 < small.flops < 16 * 624 * 2000 * 100
    assert large.flops == pytest.approx(3 * small.flops, rel=0.2)


@pytest.mark.parametrize("backend", list(KERNEL.backends))
def test_figures_are_the_backend_s_own_residuals(backend):
    workload = KERNEL.prepare(backend, KERNEL.parameters(cards=1))
    workload.step()
    figures = {figure.name: figure.value for figure in workload.figures(1.0)}
    assert 0 < figures["yield_residual"] < 1e-8
    assert 0 < figures["force_residual"] < 1e-8
    assert figures["r_value_error"] < 1e-4
    assert 2 < figures["newton_iterations"] < 30


def test_cards_that_ranks_cannot_share_are_refused():
    with pytest.raises(InputError, match="parameter cards: 3 cannot be divided over 4 ranks"):
        KERNEL.check(KERNEL.parameters(cards=3), 4)
    assert KERNEL.grow(KERNEL.parameters(cards=3), 4).cards == 12
