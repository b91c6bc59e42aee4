from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.api import InputError
from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
from kernels.quantum.circuits.families import ghz, hardware_efficient, qft, w
from kernels.quantum.circuits.gates import KINDS
from kernels.quantum.engine.statevector import Simulator

# amplitudes of a few gates on each qubit, of which each adds a rounding error of 1e-16
ROUNDING = 1e-14


@pytest.fixture(params=["lanes", "sweeps"])
def simulate(request: pytest.FixtureRequest, sweeping: type[Simulator]) -> type[Simulator]:
    """Small circuits in SIMD lanes, as they go by themselves, and in sweeps as large ones do."""
    return Simulator if request.param == "lanes" else sweeping


@pytest.mark.parametrize("qubits", [2, 5, 12])
def test_ghz_is_half_all_zeros_and_half_all_ones(qubits: int, simulate: type[Simulator]):
    expected = np.zeros(1 << qubits)
    expected[[0, -1]] = 2**-0.5
    np.testing.assert_allclose(simulate(ghz(qubits)).run()[0], expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("qubits", [1, 3, 6, 11, 14])
def test_w_is_one_one_on_every_qubit_alike(qubits: int, simulate: type[Simulator]):
    expected = np.zeros(1 << qubits)
    expected[1 << np.arange(qubits)] = qubits**-0.5
    simulator = simulate(w(qubits))
    np.testing.assert_allclose(simulator.run()[0], expected, atol=ROUNDING, rtol=0)
    np.testing.assert_allclose(simulator.expectations()[0], np.full(qubits, 1 - 2 / qubits), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("qubits", "start"), [(1, 1), (4, 11), (9, 301), (11, 1), (13, 4099)])
def test_qft_of_a_basis_state_is_a_plane_wave(qubits: int, start: int, simulate: type[Simulator]):
    flips = tuple(Gate("x", (qubit,)) for qubit in range(qubits) if start >> qubit & 1)
    state = simulate(Circuit(qubits, flips + qft(qubits).gates)).run()[0]
    wave = np.exp(2j * np.pi * (start * np.arange(1 << qubits) % (1 << qubits)) / (1 << qubits)) / np.sqrt(1 << qubits)
    np.testing.assert_allclose(state, wave, atol=ROUNDING, rtol=0)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_random_circuits_agree_with_aer(
    data: st.DataObject, random_circuits: Callable[[], st.SearchStrategy[Circuit]], sweeping: type[Simulator]
):
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
    for ours in (Simulator, sweeping):
        np.testing.assert_allclose(ours(circuit).run()[0], right, atol=1e-10, rtol=0)


def test_a_batch_is_its_circuits_one_by_one(simulate: type[Simulator]):
    circuit = hardware_efficient(6, 3)
    angles = np.random.default_rng(1).uniform(-7, 7, (5, circuit.parameters))
    simulator = simulate(circuit)
    together = simulator.run(angles).clone()
    for row, state in zip(angles, together, strict=True):
        np.testing.assert_allclose(state, simulator.run(row)[0], atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("precision", ["single", "double"])
def test_expectations_are_those_of_the_states_also_in_many_chunks(precision: str):
    circuit = hardware_efficient(13, 2)
    angles = np.random.default_rng(2).uniform(-7, 7, (70, circuit.parameters))
    simulator = Simulator(circuit, precision)
    # of the simulator's own amplitudes, in float64 whatever their precision: only a float32 sum would miss 1e-13
    probabilities = np.abs(simulator.run(angles).numpy().astype(np.complex128)) ** 2
    signs = 1 - 2 * (np.arange(1 << 13)[:, None] >> np.arange(13) & 1)
    np.testing.assert_allclose(simulator.expectations(angles), probabilities @ signs, atol=1e-13, rtol=0)


def test_expectations_sum_in_float64_where_states_are_complex64():
    circuit = Circuit(20, tuple(Gate("ry", (qubit,), Parameter(qubit)) for qubit in range(20)))
    simulator, angles = Simulator(circuit, "single"), np.full(20, 0.5)
    values, state = simulator.expectations(angles), simulator.run(angles)[0].numpy()
    assert values.dtype == np.float64
    probabilities = np.abs(state.astype(np.complex128)) ** 2
    ones = np.arange(1 << 20)[:, None] >> np.arange(20) & 1 == 1
    # NumPy adds what is contiguous in pairs; one after another would miss it by 1e-11 in float64 too
    sums = [probabilities[~one].sum() - probabilities[one].sum() for one in ones.T]
    # a sum of 2**20 probabilities in float32 would miss it by 1e-7 and more
    np.testing.assert_allclose(values[0], sums, atol=1e-13, rtol=0)
    np.testing.assert_allclose(values[0], np.full(20, np.cos(0.5)), atol=2e-6, rtol=0)


def test_a_wrong_number_of_angles_is_refused():
    with pytest.raises(InputError, match=r"angles: found 3 a circuit; this one takes 16"):
        Simulator(hardware_efficient(4, 2)).run([0.1, 0.2, 0.3])
