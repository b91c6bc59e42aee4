from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kernels.material.tensile import LABEL_RANGES
from kernels.training.network import (
    HEADS,
    MultiTaskNetwork,
    count_activation_bytes,
    count_flops,
    draw_keep,
    weighted_loss,
)


def expected_parameters(width: int) -> int:
    """By hand, from the card: 6 channels of 180, pooled to 90, 45 and 22."""
    normalised = 2
    trunk = width * (6 * 5 + normalised) + 2 * width * (width * 3 + normalised)
    convolution = width * (2 * width * 3 + normalised)
    deeper = 2 * width * (width * 3 + normalised)
    hidden = 22 * width * 2 * width + 2 * width
    output = 2 * width + 1
    return trunk + 8 * (convolution + hidden + output) + 4 * deeper


@pytest.mark.parametrize("width", [3, 64])
def test_strains_become_eight_labels(width: int) -> None:
    network = MultiTaskNetwork(width)
    assert network(torch.randn(5, 1080)).shape == (5, 8)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected_parameters(width)


def test_records_may_have_more_channels() -> None:
    assert MultiTaskNetwork(3, channels=12)(torch.randn(5, 2160)).shape == (5, 8)


def test_heads_are_in_the_order_of_a_records_labels() -> None:
    assert [head.label for head in HEADS] == list(LABEL_RANGES)
    assert [head.label for head in HEADS if not head.deep] == ["M", "r00", "r45", "r90"]


def test_every_head_has_its_own_output_and_all_share_the_trunk() -> None:
    network = MultiTaskNetwork(4)
    for index, head in enumerate(network.heads):
        network.zero_grad()
        network(torch.randn(3, 1080))[:, index].sum().backward()
        reached = [any(p.grad is not None and p.grad.any() for p in other.parameters()) for other in network.heads]
        assert reached == [other is head for other in network.heads]
        assert all(parameter.grad is not None for parameter in network.trunk.parameters())


@pytest.mark.parametrize("width", [4, 16])
def test_counted_operations_are_those_torch_counts(width: int) -> None:
    network = MultiTaskNetwork(width)
    with FlopCounterMode(display=False) as counter:
        network(torch.randn(3, 1080)).sum().backward()
    assert count_flops(network, 3) == counter.get_total_flops()


def test_activation_bytes_are_those_of_the_layers_outputs() -> None:
    network = MultiTaskNetwork(4)
    seen = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Linear):
            layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.nbytes))
    network(torch.randn(7, 1080))
    assert count_activation_bytes(network, 7) == sum(seen)


def test_loss_of_parts_adds_up_to_the_weighted_mean_squared_errors() -> None:
    outputs, targets = torch.randn(2, 10, 8, dtype=torch.float64)
    weights = torch.arange(8.0, dtype=torch.float64)
    whole = sum(weights[head] * ((outputs - targets)[:, head] ** 2).mean() for head in range(8))
    parts = [weighted_loss(outputs[part], targets[part], weights, 10) for part in (slice(3), slice(3, 10))]
    assert sum(parts).item() == pytest.approx(whole.item())


def test_dropout_keeps_four_fifths_and_the_mean() -> None:
    keep = torch.empty(8, 100, 64)
    draw_keep(keep, torch.Generator().manual_seed(0))
    assert set(keep.unique().tolist()) == {0.0, 1.25}
    assert keep.mean().item() == pytest.approx(1, abs=0.01)
    network = MultiTaskNetwork(32).eval()
    strains = torch.randn(100, 1080)
    assert not torch.equal(network(strains, keep), network(strains))
    assert torch.equal(network(strains, torch.ones_like(keep)), network(strains))
