from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from kernels.training.normalisation import NormReluPool, run_fused
from kernels.training.sides import taking_sides


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    with ThreadPoolExecutor(2) as pool:
        yield pool
    torch.set_num_threads(before)


def make_norm(channels: int) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(channels)
    with torch.no_grad():
        # none near zero, where rounding alone would say which of two neighbours is larger
        norm.weight.copy_(torch.linspace(-0.95, 2.05, channels))
        norm.bias.copy_(torch.linspace(0.5, -0.5, channels))
    return norm


def run_torch(values: Tensor, norm: nn.BatchNorm1d, pool: int) -> Tensor:
    return nn.functional.max_pool1d(nn.functional.relu(norm(values.squeeze(2))), pool).unsqueeze(2)


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("shape", [(7, 16, 45), (2, 3, 8), (4, 1, 5), (5, 33, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_does_what_torch_does_in_float64(
    shape: tuple[int, int, int], pool: int, layout: torch.memory_format, threads: ThreadPoolExecutor
) -> None:
    samples, channels, length = shape
    generator = torch.Generator().manual_seed(channels)
    # a mean far from zero, which a sum of squares would not survive in float32
    values = 30 + torch.randn(samples, channels, 1, length, generator=generator).contiguous(memory_format=layout)
    values.requires_grad_()
    exact = values.detach().double().requires_grad_()
    norm, right = make_norm(channels), make_norm(channels).double()
    found, expected = (
        NormReluPool.apply(values, norm.weight, norm.bias, norm, pool, threads),
        run_torch(exact, right, pool),
    )
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)
    arriving = torch.randn(found.shape, generator=generator)
    found.backward(arriving)
    expected.backward(arriving.double())
    assert values.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(values.grad.double(), exact.grad, rtol=0, atol=2e-5 * float(exact.grad.abs().max()))
    for parameter, reference in zip(norm.parameters(), right.parameters(), strict=True):
        assert parameter.grad is not None
        assert reference.grad is not None
        torch.testing.assert_close(parameter.grad.double(), reference.grad, rtol=1e-4, atol=1e-4)
    for buffer, reference in zip(norm.buffers(), right.buffers(), strict=True):
        torch.testing.assert_close(buffer.double(), reference.double(), rtol=1e-5, atol=1e-5)


def test_of_equal_neighbours_the_first_gets_the_gradient() -> None:
    values = torch.tensor([1.0, 1.0, -1.0, -1.0]).view(1, 1, 1, 4).requires_grad_()
    norm = nn.BatchNorm1d(1)
    with ThreadPoolExecutor(1) as threads:
        NormReluPool.apply(values, norm.weight, norm.bias, norm, 2, threads).sum().backward()
    copy = values.detach().clone().requires_grad_()
    run_torch(copy, nn.BatchNorm1d(1), 2).sum().backward()
    torch.testing.assert_close(values.grad, copy.grad)


def make_chain(*last: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(3, 4, 3, padding="same", bias=False), nn.BatchNorm1d(4), *last)


@pytest.mark.parametrize("last", [(nn.ReLU(), nn.Flatten()), (nn.ReLU(), nn.MaxPool1d(2))])
def test_a_chain_is_run_as_torch_runs_it_and_tells_the_same_sides(last: tuple[nn.Module, ...]) -> None:
    layers, values = make_chain(*last), torch.randn(5, 3, 9, generator=torch.Generator().manual_seed(1))
    told: list[Tensor] = []
    with ThreadPoolExecutor(1) as threads, taking_sides(layers) as sides:
        found = run_fused(layers, values, threads, told)
        expected = layers(values)
    torch.testing.assert_close(found.view_as(expected), expected)
    assert len(told) == len(sides) == len(last) - isinstance(last[-1], nn.Flatten)
    assert torch.equal(told[0], sides[0])
    # where nothing is positive all are the maximum
    assert all(
        torch.equal(mine[expected > 0], own[expected > 0]) for mine, own in zip(told[1:], sides[1:], strict=True)
    )


@pytest.mark.parametrize("last", [(nn.ELU(),), (nn.ReLU(), nn.MaxPool1d(3)), (nn.ReLU(), nn.Dropout())])
def test_layers_that_are_not_fused_are_refused(last: tuple[nn.Module, ...]) -> None:
    with ThreadPoolExecutor(1) as threads, pytest.raises(TypeError, match="nothing fused for"):
        run_fused(make_chain(*last), torch.ones(2, 3, 6), threads)
