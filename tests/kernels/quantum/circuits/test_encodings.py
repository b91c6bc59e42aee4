from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.api import InputError
from kernels.quantum.circuits import encodings
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.circuits.reference import simulate


def cost(circuit: Circuit) -> tuple[int, int, int]:
    return circuit.qubits, circuit.depth, circuit.entangling_gates


def test_basis_encoding_is_one_basis_state():
    circuit = encodings.basis(11, 5)
    np.testing.assert_allclose(simulate(circuit), np.eye(32)[11], atol=1e-15, rtol=0)
    assert cost(circuit) == (5, 1, 0)


def test_angle_encoding_is_a_product_of_turned_qubits():
    values = [0.3, -1.2, 2.5]
    qubits = [np.array([np.cos(v / 2), np.sin(v / 2)]) for v in values]
    circuit = encodings.angle(values)
    np.testing.assert_allclose(simulate(circuit), np.kron(qubits[2], np.kron(qubits[1], qubits[0])), atol=1e-15, rtol=0)
    assert cost(circuit) == (3, 1, 0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40).filter(lambda values: np.linalg.norm(values) > 1e-3))
@settings(max_examples=40, deadline=None)
def test_amplitude_encoding_has_the_values_as_amplitudes(values: list[float]):
    circuit = encodings.amplitude(values)
    state = np.zeros(1 << circuit.qubits)
    state[: len(values)] = np.array(values) / np.linalg.norm(values)
    np.testing.assert_allclose(simulate(circuit), state, atol=1e-12, rtol=0)
    assert circuit.qubits == max(1, int(np.ceil(np.log2(len(values)))))
    assert circuit.entangling_gates == 2**circuit.qubits - 2


@pytest.mark.parametrize(("data", "bits"), [([2, 1], 2), ([5, 0, 7, 2], 3), ([1, 3, 0, 2, 2, 1, 3, 3], 2)])
def test_qram_encoding_holds_each_number_at_its_address(data: list[int], bits: int):
    circuit = encodings.qram(data, bits)
    state = np.zeros(1 << circuit.qubits)
    state[[place + len(data) * number for place, number in enumerate(data)]] = len(data) ** -0.5
    np.testing.assert_allclose(simulate(circuit), state, atol=1e-14, rtol=0)
    assert circuit.qubits == len(data).bit_length() - 1 + bits


@pytest.mark.parametrize("controls", [0, 1, 2, 3, 4, 5])
def test_multi_controlled_x_flips_where_all_controls_are_one(controls: int):
    gates = encodings.multi_controlled_x(list(range(controls)), controls)
    for number in range(2 << controls):
        right = number ^ (1 << controls) if number % (1 << controls) == (1 << controls) - 1 else number
        state = simulate(Circuit(controls + 1, (*encodings.basis(number, controls + 1).gates, *gates)))
        np.testing.assert_allclose(state, np.eye(2 << controls)[right], atol=1e-14, rtol=0)
    if controls > 1:
        assert sum(gate.name == "cx" for gate in gates) == 2 ** (controls + 1) - 2


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
def test_amplitude_encoding_takes_values_whose_squares_are_no_numbers(scale: float):
    values = scale * np.array([3.0, -4.0, 0.0, 12.0])
    state = values / np.abs(values).max()
    np.testing.assert_allclose(simulate(encodings.amplitude(values)), state / np.linalg.norm(state), atol=1e-14, rtol=0)


@pytest.mark.parametrize("qubits", [1, 2, 3, 6])
def test_amplitude_encoding_costs_what_is_documented(qubits: int):
    values = np.random.default_rng(1).normal(size=1 << qubits)
    assert cost(encodings.amplitude(values)) == (qubits, 2 ** (qubits + 1) - qubits - 2, 2**qubits - 2)


@pytest.mark.parametrize(("address_qubits", "depth", "cnots"), [(1, 5, 2), (2, 50, 24), (3, 188, 112), (4, 836, 480)])
def test_qram_encoding_of_ones_costs_what_is_documented(address_qubits: int, depth: int, cnots: int):
    ones = 1 << address_qubits
    assert cost(encodings.qram([1] * ones, 1)) == (address_qubits + 1, depth, cnots)
    assert cnots == ones * (2 ** (address_qubits + 1) - 2 if address_qubits > 1 else 1)


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(InputError, match="basis encoding: found 8; right would be 0 to 7, for 3 qubits"):
        encodings.basis(8, 3)
    with pytest.raises(InputError, match="amplitude encoding: found values"):
        encodings.amplitude([0.0, 0.0])
    with pytest.raises(InputError, match="QRAM encoding: found 3 numbers; right would be a power of two"):
        encodings.qram([1, 0, 1], 1)
    with pytest.raises(InputError, match="QRAM encoding: number 1: found 4"):
        encodings.qram([1, 4], 2)
