from __future__ import annotations

import numpy as np
import pytest
import torch

from kernels.quantum.circuits.qcnn_units import Unit
from kernels.quantum.qcnn.blocks import DenseBlocks
from kernels.quantum.qcnn.units import ApplyUnits

UNITS = [Unit(False, 0, 1), Unit(False, 3, 2), Unit(True, 1, 4), Unit(False, 4, 0)]
QUBITS = 5
TOLERANCES = {torch.complex64: 1e-5, torch.complex128: 1e-12}


def one_by_one(states: torch.Tensor, unitaries: torch.Tensor) -> torch.Tensor:
    """``<Z>`` of the last qubit by the definition, each unit a contraction of two axes."""
    for (_, a, b), unitary in zip(UNITS, unitaries, strict=True):
        parts = states.view(-1, *(2,) * QUBITS).movedim((1 + a, 1 + b), (-2, -1))
        turned = torch.einsum("...xy,pqxy->...pq", parts, unitary.view(2, 2, 2, 2))
        states = turned.movedim((-2, -1), (1 + a, 1 + b)).reshape(len(states), -1)
    probabilities = states.abs().square().double().view(len(states), -1, 2).sum(dim=1)
    return probabilities[:, 0] - probabilities[:, 1]


def compiled(states: torch.Tensor, unitaries: torch.Tensor) -> torch.Tensor:
    bits = np.array([(QUBITS - 1 - unit.a, QUBITS - 1 - unit.b) for unit in UNITS])
    return ApplyUnits.apply(states, unitaries, bits, dense)


def refuse(states: torch.Tensor, unitaries: torch.Tensor) -> torch.Tensor:
    raise AssertionError("went through torch operations")


def dense(states: torch.Tensor, unitaries: torch.Tensor) -> torch.Tensor:
    return DenseBlocks(UNITS, QUBITS, unitaries.dtype)(states, unitaries)


def inputs(dtype: torch.dtype, batch: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(batch)
    states, matrices = (
        torch.randn(*shape, dtype=torch.complex128, generator=generator)
        for shape in ((batch, 1 << QUBITS), (len(UNITS), 4, 4))
    )
    states /= states.abs().square().sum(dim=1, keepdim=True).sqrt()
    return [tensor.to(dtype).requires_grad_() for tensor in (states, torch.linalg.qr(matrices)[0])]


# 37: lanes are left over, in either precision
@pytest.mark.parametrize("apply", [compiled, dense])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("batch", [1, 37])
def test_values_and_gradients_are_those_of_one_unit_after_another(apply, dtype: torch.dtype, batch: int):
    arguments = inputs(dtype, batch)
    slopes = torch.linspace(-1, 2, batch, dtype=torch.float64)
    found, right = apply(*arguments), one_by_one(*arguments)
    torch.testing.assert_close(found, right, atol=TOLERANCES[dtype], rtol=0)
    for some, others in zip(
        torch.autograd.grad(found, arguments, slopes), torch.autograd.grad(right, arguments, slopes), strict=True
    ):
        torch.testing.assert_close(some, others, atol=TOLERANCES[dtype] * batch**0.5, rtol=0)


def test_threads_share_a_batch_and_a_second_backward_finds_the_same():
    arguments = inputs(torch.complex128, 5000)
    right = torch.autograd.grad(compiled(*arguments).sum(), arguments)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        total = compiled(*arguments).sum()
        for _ in range(2):
            for some, others in zip(torch.autograd.grad(total, arguments, retain_graph=True), right, strict=True):
                torch.testing.assert_close(some, others, atol=1e-11, rtol=0)
    finally:
        torch.set_num_threads(before)


def test_first_derivatives_are_compiled_and_only_those_to_be_differentiated_again_are_not():
    arguments = inputs(torch.complex128, 3)
    bits = np.array([(QUBITS - 1 - unit.a, QUBITS - 1 - unit.b) for unit in UNITS])
    total = ApplyUnits.apply(*arguments, bits, refuse).sum()
    torch.autograd.grad(total, arguments, retain_graph=True)
    with pytest.raises(AssertionError, match="went through torch operations"):
        torch.autograd.grad(total, arguments, create_graph=True)


@pytest.mark.parametrize("wanted", [[0], [1], [0, 1]])
def test_second_derivatives_are_those_of_one_unit_after_another(wanted: list[int]):
    found, right = (second_derivatives(apply, wanted) for apply in (compiled, one_by_one))
    for some, others in zip(found, right, strict=True):
        torch.testing.assert_close(some, others, atol=1e-12, rtol=0)


def second_derivatives(apply, wanted: list[int]) -> tuple[torch.Tensor, ...]:
    """Of what first derivatives, by incoming slopes that need no gradient, have for a squared length."""
    arguments = inputs(torch.complex128, 3)
    for place in {0, 1} - set(wanted):
        arguments[place].requires_grad_(False)
    variables = [arguments[place] for place in wanted]
    first = torch.autograd.grad(apply(*arguments).sum(), variables, create_graph=True)
    return torch.autograd.grad(sum(slopes.abs().square().sum() for slopes in first), variables)
