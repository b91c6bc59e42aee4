from __future__ import annotations

import math

import pytest
import torch

from kernels.communication.buckets import Buckets, clip, group, norm


def make_parameters(*sizes: int) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.arange(1.0, 1.0 + size)) for size in sizes]


def test_buckets_fill_from_the_last_parameter_to_the_first() -> None:
    parameters = make_parameters(1, 2, 3, 4)
    order: list[tuple[int, list[float]]] = []
    buckets = Buckets(parameters, 16, lambda bucket: order.append((bucket, buckets.parts[bucket].tolist())))
    assert [part.numel() for part in buckets.parts] == [4, 5, 1]
    for _ in range(2):
        order.clear()
        buckets.clear()
        # a chain, so that gradients come one after the other
        total = torch.tensor(1.0)
        for parameter in parameters:
            total = total * parameter.sum()
        total.backward()
        assert order == [(0, [18.0] * 4), (1, [30.0] * 3 + [60.0] * 2), (2, [180.0])]
        assert parameters[1].grad is not None
        assert parameters[1].grad.tolist() == [60.0, 60.0]


@pytest.mark.parametrize(("bucket_bytes", "sizes"), [(4, [1, 1, 1]), (8, [2, 1]), (9, [3]), (1 << 20, [3])])
def test_a_bucket_takes_parameters_until_it_has_its_bytes(bucket_bytes: int, sizes: list[int]) -> None:
    assert [len(bucket) for bucket in group(make_parameters(1, 1, 1), bucket_bytes)] == sizes


@pytest.mark.parametrize("buckets", [1, 4])
@pytest.mark.parametrize("norm", [0.0, 0.4, 0.6, 30.0])
def test_clipping_bounds_the_norm_and_leaves_what_is_below(norm: float, buckets: int) -> None:
    direction = torch.tensor([0.6, -0.8])
    gradient = norm * direction
    clip(gradient, buckets)
    torch.testing.assert_close(gradient, min(norm, 1 / math.sqrt(buckets)) * direction)


@pytest.mark.parametrize("size", [1, 1023, 1025, 3_000_000])
def test_a_norm_is_right_however_many_elements(size: int) -> None:
    values = 1e-3 * torch.randn(size, generator=torch.Generator().manual_seed(0))
    assert norm(values).item() == pytest.approx(values.double().norm().item(), rel=1e-6)
