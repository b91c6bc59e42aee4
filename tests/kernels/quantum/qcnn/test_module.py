from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from kernels.api import InputError
from kernels.quantum import QCNN
from kernels.quantum.circuits.qcnn_units import layer_units
from kernels.quantum.qcnn import reference as qcnn_reference


def test_eight_qubits_make_63_weights():
    assert QCNN(8).weights.numel() == 63


@pytest.mark.parametrize("qubits", range(2, 13))
def test_the_live_qubits_halve_until_the_last_is_left(qubits: int):
    units = layer_units(qubits)
    pooled = [unit.a for unit in units if unit.pools]
    assert sorted(pooled) == list(range(qubits - 1))
    for index, unit in enumerate(units):
        gone = {earlier.a for earlier in units[:index] if earlier.pools}
        assert gone.isdisjoint({unit.a, unit.b})


@pytest.mark.parametrize(("qubits", "encoding"), [(2, "zz"), (3, "zz"), (5, "z"), (8, "zz")])
def test_values_and_gradient_are_those_of_textbook_gates_and_parameter_shifts(qubits: int, encoding: str):
    torch.manual_seed(qubits)
    network = QCNN(qubits, "double", encoding=encoding)
    inputs = torch.rand(3, qubits, dtype=torch.float64) * 3
    weights = network.weights.detach().numpy()
    values = network(inputs)
    np.testing.assert_allclose(
        values.detach(), qcnn_reference.values(weights, inputs.numpy(), encoding), atol=1e-12, rtol=0
    )
    for sample in range(3):
        (gradient,) = torch.autograd.grad(values[sample], [network.weights], retain_graph=True)
        right = qcnn_reference.derivatives(weights, inputs[sample : sample + 1].numpy(), range(len(weights)), encoding)
        np.testing.assert_allclose(gradient, right[:, 0], atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 16), torch.complex64), ((8,), torch.complex64), ((3, 8), torch.complex128)]
)
def test_states_of_another_shape_or_dtype_are_refused(shape: tuple[int, ...], dtype: torch.dtype):
    with pytest.raises(InputError, match=r"found states .*; right would be \(batch, 8\) of torch.complex64"):
        QCNN(3).read(torch.zeros(shape, dtype=dtype))


def test_conjugate_views_are_states_too():
    network = QCNN(3, "double")
    states = network.encode(torch.rand(4, 3, dtype=torch.float64))
    torch.testing.assert_close(network.read(states.conj()), network.read(states.conj().resolve_conj()))


def test_gradients_flow_to_the_inputs():
    torch.manual_seed(0)
    network = QCNN(3, "double")
    inputs = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (inputs,))


@pytest.mark.parametrize("qubits", [3, 4])
def test_derivatives_can_be_differentiated_again(qubits: int):
    torch.manual_seed(0)
    network = QCNN(qubits, "double")
    inputs = torch.rand(2, qubits, dtype=torch.float64, requires_grad=True)
    weights = network.weights.detach().requires_grad_()

    def values(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(network, {"weights": weights}, (inputs,))

    assert torch.autograd.gradgradcheck(values, (inputs, weights))
    (hessian,) = torch.autograd.functional.jacobian(
        lambda weights: torch.autograd.grad(values(inputs, weights).sum(), [weights], create_graph=True), weights
    )
    step = 1e-4 * torch.eye(len(weights), dtype=torch.float64)
    plus, minus = (
        qcnn_reference.derivatives(shifted, inputs.detach().numpy(), range(len(weights))).sum(axis=1)
        for shifted in ((weights + step[0]).detach().numpy(), (weights - step[0]).detach().numpy())
    )
    np.testing.assert_allclose(hessian[0], (plus - minus) / 2e-4, atol=1e-7, rtol=0)


def test_single_precision_is_close_to_double():
    torch.manual_seed(0)
    double, single = QCNN(8, "double"), QCNN(8, "single")
    single.load_state_dict(double.state_dict())
    inputs = torch.rand(16, 8)
    assert single(inputs).dtype == torch.float32
    torch.testing.assert_close(single(inputs), double(inputs.double()).float(), atol=2e-6, rtol=0)


def test_an_optimiser_trains_it():
    torch.manual_seed(0)
    network = QCNN(4)
    inputs, labels = torch.rand(8, 4) * 3, torch.tensor([1.0, -1.0] * 4)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (network(inputs) - labels).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_inputs_of_another_width_are_refused():
    with pytest.raises(InputError, match=r"found inputs \(5, 7\); right would be \(batch, 8\)"):
        QCNN(8)(torch.rand(5, 7))


def test_the_package_does_not_import_torch():
    code = "import sys, kernels.quantum; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoding": "yy"}, "found encoding='yy'; right would be one of zz, z"),
        ({"precision": "doble"}, "found precision='doble'; right would be one of single, double"),
        ({"qubits": 1}, "found qubits=1; right would be an integer from 2 to 18"),
        ({"qubits": 40}, "found qubits=40; right would be an integer from 2 to 18"),
        ({"qubits": "8"}, "found qubits='8'; right would be an integer from 2 to 18"),
    ],
)
def test_what_makes_no_network_is_refused(values: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        QCNN(**values)


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_a_cast_to_the_same_precision_changes_nothing():
    torch.manual_seed(0)
    network, inputs = QCNN(4, "double"), torch.rand(2, 4)
    right = network(inputs).detach()
    found = network.to(torch.float64)(inputs)
    torch.testing.assert_close(found.detach(), right, atol=0, rtol=0)
    torch.autograd.grad(found.sum(), [network.weights], create_graph=True)


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_cast_network_is_refused(precision: str):
    other, dtype = {"single": ("double", torch.float64), "double": ("single", torch.float32)}[precision]
    network = QCNN(3, precision).to(dtype)
    with pytest.raises(InputError, match=f"found weights cast to {dtype}; right would be .*, or precision='{other}'"):
        network(torch.rand(2, 3))
    with pytest.raises(InputError, match="found weights cast"):
        network.read(torch.ones(2, 8, dtype=torch.complex128))
