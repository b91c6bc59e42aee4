from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.quantum import QCNN
from kernels.quantum.circuits.qcnn_units import layer_units
from kernels.quantum.studies.pde_circuits import circuit_units, feature_map, least_squares_floor, reference_values


@pytest.mark.parametrize(
    ("equation", "encoding", "qubits", "weights"),
    [("burgers", "thesis", 2, 18), ("poisson", "thesis", 5, 54), ("burgers", "tiled", 4, 39)],
)
def test_the_counts_of_weights_and_inputs_are_the_thesiss(equation: str, encoding: str, qubits: int, weights: int):
    units = circuit_units(equation, encoding)
    assert 3 * len(units) == weights
    assert {qubit for unit in units for qubit in (unit.a, unit.b)} == set(range(qubits))
    assert (encoding == "tiled") or 3 * len(units) + qubits == {"burgers": 20, "poisson": 59}[equation]


def test_poisson_pools_one_qubit_at_a_time():
    units = circuit_units("poisson", "thesis")
    assert [(unit.a, unit.b) for unit in units if unit.pools] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert sum(not unit.pools for unit in units) == 14


@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_feature_map_once_over_is_the_networks_encoding(qubits: int, seed: int):
    inputs = np.random.default_rng(seed).uniform(0, 3, (3, qubits))
    encoded = QCNN(qubits, "double").encode(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(feature_map(inputs, 1), encoded, atol=1e-13, rtol=0)


@pytest.mark.parametrize("repetitions", [1, 2])
def test_states_and_network_are_those_of_textbook_gates(repetitions: int):
    inputs = np.random.default_rng(0).uniform(0, 3, (2, 4))
    units = circuit_units("burgers", "tiled")
    network = QCNN(4, "double", units)
    with torch.no_grad():
        values = network.read(torch.from_numpy(feature_map(inputs, repetitions))).numpy()
    weights = network.weights.detach().numpy()
    np.testing.assert_allclose(values, reference_values(units, weights, inputs, repetitions), atol=1e-13, rtol=0)


def test_the_floor_is_below_every_circuit_and_reached_by_what_an_observable_can_do():
    random = np.random.default_rng(1)
    states = feature_map(random.uniform(0, 3, (40, 2)), 1)
    observable = random.normal(size=(4, 4)) + 1j * random.normal(size=(4, 4))
    expectations = np.einsum("si,ij,sj->s", states.conj(), observable + observable.conj().T, states).real
    assert least_squares_floor(states, expectations) < 1e-25
    values = random.normal(size=40)
    network = QCNN(2, "double", layer_units(2))
    with torch.no_grad():
        predicted = network.read(torch.from_numpy(states)).numpy()
    assert 0.01 < least_squares_floor(states, values) < np.mean((predicted - values) ** 2) / 2
