from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.quantum.circuits import reference
from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
from kernels.quantum.circuits.families import hardware_efficient, qft_of_product, quantum_volume
from kernels.quantum.engine.batched import BatchedExecutor
from kernels.quantum.engine.statevector import Simulator

TOLERANCES = {torch.complex64: 3e-6, torch.complex128: 1e-12}


def run(circuit: Circuit, angles: np.ndarray, dtype: torch.dtype = torch.complex128):
    executor = BatchedExecutor(circuit, dtype)
    states = torch.full((len(angles), 1 << circuit.qubits), np.nan, dtype=dtype)
    executor.run(states, angles)
    return states, executor.expectations(angles)


def check(circuit: Circuit, angles: np.ndarray, dtype: torch.dtype = torch.complex128):
    states, values = run(circuit, angles, dtype)
    for row, state, value in zip(angles, states, values, strict=True):
        right = reference.simulate(circuit, row)
        np.testing.assert_allclose(state, right, atol=TOLERANCES[dtype], rtol=0)
        np.testing.assert_allclose(value, reference.expectations(right), atol=TOLERANCES[dtype], rtol=0)


def free(circuit: Circuit) -> Circuit:
    """The circuit with a parameter for every angle."""
    places = iter(range(len(circuit.gates)))
    gates = (gate if gate.angle is None else gate._replace(angle=Parameter(next(places))) for gate in circuit.gates)
    return Circuit(circuit.qubits, tuple(gates))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_random_circuits_are_the_gates_one_by_one(
    data: st.DataObject, random_circuits: Callable[..., st.SearchStrategy[Circuit]]
):
    circuit = data.draw(random_circuits())
    check(circuit, np.empty((2, 0)))
    circuit = free(circuit)
    seed = data.draw(st.integers(0, 1000))
    check(circuit, np.random.default_rng(seed).uniform(-7, 7, (3, circuit.parameters)))


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_circuits_in_lanes_alone_in_lanes_and_in_sweeps_are_the_same(
    data: st.DataObject, random_circuits: Callable[..., st.SearchStrategy[Circuit]], sweeping: type[Simulator]
):
    circuit = free(data.draw(random_circuits()))
    angles = np.random.default_rng(5).uniform(-7, 7, (13, circuit.parameters))
    simulator, other = Simulator(circuit), sweeping(circuit)
    together, values = simulator.run(angles).clone(), simulator.expectations(angles)
    for row, state, value in zip(angles, together, values, strict=True):
        for alone in (simulator, other):
            np.testing.assert_allclose(alone.run(row)[0], state, atol=1e-12, rtol=0)
            np.testing.assert_allclose(alone.expectations(row)[0], value, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    "circuit", [hardware_efficient(4, 5), qft_of_product(9), quantum_volume(10, 2, 0), hardware_efficient(12, 3)]
)
def test_families_with_lanes_left_over(circuit: Circuit, dtype: torch.dtype):
    check(circuit, np.random.default_rng(1).uniform(-7, 7, (19, circuit.parameters)), dtype)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_turns_without_a_cosine_are_not_lost(dtype: torch.dtype):
    # cos(pi/2) is 6e-17: products leave cosines out and put them in again
    gates = [Gate("ry", (qubit,), Parameter(0)) for _ in range(2) for qubit in range(7)]
    gates[7:7] = [Gate("rz", (qubit,), 0.3) for qubit in range(7)]
    check(Circuit(7, tuple(gates)), np.array([[np.pi], [-np.pi], [3 * np.pi], [np.pi / 2]]), dtype)


@given(angle=st.floats(-1e6, 1e6))
@settings(deadline=None)
def test_angles_of_many_revolutions(angle: float):
    circuit = Circuit(1, (Gate("ry", (0,), Parameter(0)),))
    np.testing.assert_allclose(
        run(circuit, np.array([[angle]]))[1][0, 0], np.cos(angle), atol=1e-15 * (1 + abs(angle)), rtol=0
    )


@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_nothing_to_do(qubits: int):
    check(Circuit(qubits, ()), np.empty((5, 0)))
    check(Circuit(qubits, (Gate("rz", (0,), 1.0),)), np.empty((5, 0)))


def test_threads_share_a_batch():
    circuit = hardware_efficient(11, 3)
    angles = np.random.default_rng(4).uniform(-7, 7, (100, circuit.parameters))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(run(circuit, angles)[1])
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])
