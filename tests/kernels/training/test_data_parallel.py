from __future__ import annotations

import pytest
import torch
from mpi4py import MPI

from kernels.training.data_parallel import GradientSum, some_first


def test_gradients_lie_one_after_the_other_and_are_cleared_together() -> None:
    first, second = torch.nn.Parameter(torch.tensor([1.0, 2.0])), torch.nn.Parameter(torch.tensor([[3.0]]))
    gradients = GradientSum([first, second], MPI.COMM_SELF, torch.device("cpu"))
    for _ in range(2):
        gradients.clear()
        (first.square().sum() + 5 * second.sum()).backward()
        gradients.exchange()
        assert gradients.flat.tolist() == [2, 4, 5]
    assert second.grad is not None
    assert second.grad.data_ptr() == gradients.flat[2:].data_ptr()


@pytest.mark.parametrize("first", [True, False])
def test_an_action_runs_once_and_its_error_is_raised(first: bool) -> None:
    calls: list[int] = []
    assert some_first(MPI.COMM_SELF, first, lambda: calls.append(1)) is None
    assert calls == [1]
    with pytest.raises(ZeroDivisionError):
        some_first(MPI.COMM_SELF, first, lambda: 1 // 0)
