from __future__ import annotations

import pytest
import torch

from kernels.training.identification.fusion import FusedNetworks, draw_gates, entropy


def test_without_edges_a_group_ignores_the_other_and_with_them_it_does_not() -> None:
    torch.manual_seed(0)
    network = FusedNetworks(4).eval()
    records = torch.randn(3, 2160)
    closed, opened = torch.zeros(len(network.pairs)), torch.ones(len(network.pairs))
    before = [network(records, gates) for gates in (closed, opened)]
    with torch.no_grad():
        network.stages[1][0][1].weight.mul_(-2)
    after = [network(records, gates) for gates in (closed, opened)]
    # the easy labels come first; the second group's network was changed
    assert torch.equal(before[0][:, :4], after[0][:, :4])
    assert not torch.equal(before[0][:, 4:], after[0][:, 4:])
    assert not torch.equal(before[1][:, :4], after[1][:, :4])


def test_an_edge_that_is_not_there_costs_nothing_unless_it_is_searched_for() -> None:
    network = FusedNetworks(4)
    called = []
    for index, edge in enumerate(network.edges):
        edge.register_forward_hook(lambda *_, index=index: called.append(index))
    gates = torch.zeros(len(network.pairs))
    gates[[3, 17]] = 1
    network(torch.randn(3, 2160), gates)
    assert sorted(called) == [3, 17]
    gates.requires_grad_()
    network(torch.randn(3, 2160), gates).square().sum().backward()
    assert gates.grad is not None
    assert (gates.grad != 0).all()


def test_every_edge_goes_to_a_stage_no_earlier() -> None:
    pairs = FusedNetworks(2).pairs
    assert len(pairs) == len(set(pairs)) == 20
    assert all(source <= target for source, target, _ in pairs)


def test_relaxed_gates_have_the_probability_and_harden_as_they_cool() -> None:
    generator = torch.Generator().manual_seed(0)
    gates = draw_gates(torch.full((20000,), 1.0), 0.01, generator)
    assert gates.mean().item() == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item(), abs=0.01)
    assert ((gates < 0.01) | (gates > 0.99)).float().mean() > 0.95


def test_entropy_is_that_of_a_coin() -> None:
    assert entropy(torch.zeros(4)).item() == pytest.approx(0.693147, abs=1e-5)
    assert entropy(torch.tensor([20.0, -20.0])).item() < 1e-6
