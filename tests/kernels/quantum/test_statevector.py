from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.api import InputError
from kernels.quantum.circuit import Circuit, Gate, Parameter
from kernels.quantum.families import ghz, hardware_efficient, qft
from kernels.quantum.gates import KINDS
from kernels.quantum.statevector import Simulator


@pytest.mark.parametrize("qubits", [2, 5, 12])
def test_ghz_is_half_all_zeros_and_half_all_ones(qubits: int):
    expected = np.zeros(1 << qubits)
    expected[[0, -1]] = 2**-0.5
    np.testing.assert_allclose(Simulator(ghz(qubits)).run()[0], expected, atol=1e-15)


@pytest.mark.parametrize(("qubits", "start"), [(1, 1), (4, 11), (9, 301), (11, 1)])
def test_qft_of_a_basis_state_is_a_plane_wave(qubits: int, start: int):
    flips = tuple(Gate("x", (qubit,)) for qubit in range(qubits) if start >> qubit & 1)
    state = Simulator(Circuit(qubits, flips + qft(qubits).gates)).run()[0]
    wave = np.exp(2j * np.pi * start * np.arange(1 << qubits) / (1 << qubits)) / np.sqrt(1 << qubits)
    np.testing.assert_allclose(state, wave, atol=1e-13)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_random_circuits_agree_with_aer(data: st.DataObject, random_circuits: Callable[[], st.SearchStrategy[Circuit]]):
    qiskit = pytest.importorskip("qiskit")
    aer = pytest.importorskip("qiskit_aer")
    circuit = data.draw(random_circuits())
    peer = qiskit.QuantumCircuit(circuit.qubits)
    for name, qubits, angle in circuit.bind([]):
        arguments = (angle, *qubits) if KINDS[name].has_angle else qubits
        getattr(peer, name)(*arguments)
    peer.save_statevector()
    simulator = aer.AerSimulator(method="statevector", max_parallel_threads=1)
    right = np.asarray(simulator.run(peer).result().get_statevector())
    np.testing.assert_allclose(Simulator(circuit).run()[0], right, atol=1e-10)


def test_a_batch_is_its_circuits_one_by_one():
    circuit = hardware_efficient(6, 3)
    angles = np.random.default_rng(1).uniform(-7, 7, (5, circuit.parameters))
    simulator = Simulator(circuit)
    together = simulator.run(angles).clone()
    for row, state in zip(angles, together, strict=True):
        np.testing.assert_allclose(state, simulator.run(row)[0], atol=1e-15)


def test_expectations_are_those_of_the_states_also_in_many_chunks():
    circuit = hardware_efficient(13, 2)
    angles = np.random.default_rng(2).uniform(-7, 7, (70, circuit.parameters))
    simulator = Simulator(circuit)
    probabilities = simulator.run(angles).abs().square().numpy()
    signs = 1 - 2 * (np.arange(1 << 13)[:, None] >> np.arange(13) & 1)
    np.testing.assert_allclose(simulator.expectations(angles), probabilities @ signs, atol=1e-13)


def test_expectations_sum_in_float64_where_states_are_complex64():
    # all amplitudes equal: summing 2**20 probabilities in float32 would miss 1e-7 by far
    circuit = Circuit(20, tuple(Gate("ry", (qubit,), Parameter(qubit)) for qubit in range(20)))
    values = Simulator(circuit, "single").expectations(np.full(20, 0.5))
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, np.full((1, 20), np.cos(0.5)), atol=2e-6)


def test_a_wrong_number_of_angles_is_refused():
    with pytest.raises(InputError, match=r"angles: found 3 a circuit; this one takes 16"):
        Simulator(hardware_efficient(4, 2)).run([0.1, 0.2, 0.3])
