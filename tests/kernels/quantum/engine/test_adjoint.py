from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.api import InputError
from kernels.quantum.circuits import reference
from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
from kernels.quantum.circuits.families import hardware_efficient, qcbm, qft_of_product, quantum_volume
from kernels.quantum.circuits.gates import matrix
from kernels.quantum.circuits.observables import PauliSum, PauliTerm
from kernels.quantum.engine.statevector import Simulator

OBSERVABLE = [(0.5, {0: "Z"}), (-1.5, {1: "X", 3: "Y"}), (0.7, {0: "Y", 2: "Z", 4: "Y"}), (2.0, {}), (0.3, {4: "Z"})]


def observable(qubits: int) -> PauliSum:
    return PauliSum(qubits, [PauliTerm(c, {q: p for q, p in f.items() if q < qubits}) for c, f in OBSERVABLE])


def value(circuit: Circuit, angles: np.ndarray, paulis: PauliSum) -> float:
    """From the definition: Kronecker products of Pauli matrices on the reference's state."""
    state = reference.simulate(circuit, angles).numpy()
    total = 0.0
    for coefficient, factors in paulis.terms:
        operator = np.eye(1)
        for qubit in range(circuit.qubits):
            operator = np.kron(matrix(factors.get(qubit, "id").lower()), operator)
        total += coefficient * (state.conj() @ operator @ state).real
    return total


@pytest.mark.parametrize(
    "circuit", [hardware_efficient(6, 3), qcbm(5, 2), quantum_volume(6, 2, seed=1), qft_of_product(5)]
)
def test_derivatives_are_those_of_the_parameter_shift_rule(circuit: Circuit):
    angles = np.random.default_rng(5).uniform(-7, 7, circuit.parameters)
    paulis = observable(circuit.qubits)
    values, derivatives = Simulator(circuit).gradients(angles, paulis)
    assert values[0] == pytest.approx(value(circuit, angles, paulis), abs=1e-12)
    shifts = np.pi / 2 * np.eye(circuit.parameters)
    right = [(value(circuit, angles + s, paulis) - value(circuit, angles - s, paulis)) / 2 for s in shifts]
    np.testing.assert_allclose(derivatives[0], right, atol=1e-12, rtol=0)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_random_circuits_agree_with_small_differences(
    data: st.DataObject, random_circuits: Callable[..., st.SearchStrategy[Circuit]]
):
    fixed = data.draw(random_circuits(most_qubits=6, most_gates=30))
    # one parameter turns many gates, of every kind
    gates = [
        gate._replace(angle=Parameter(i % 2)) if gate.angle is not None else gate for i, gate in enumerate(fixed.gates)
    ]
    circuit = Circuit(fixed.qubits, (Gate("ry", (0,), Parameter(1)), Gate("rx", (1,), Parameter(0)), *gates))
    angles, paulis, step = np.array([0.4, -1.1]), observable(fixed.qubits), 1e-5
    derivatives = Simulator(circuit).gradients(angles, paulis)[1][0]
    for place in range(2):
        shift = step * np.eye(2)[place]
        right = (value(circuit, angles + shift, paulis) - value(circuit, angles - shift, paulis)) / (2 * step)
        assert derivatives[place] == pytest.approx(right, abs=1e-6)


def test_derivatives_are_those_of_reverse_mode():
    circuit = hardware_efficient(5, 2)
    angles = torch.tensor(np.random.default_rng(6).uniform(-7, 7, circuit.parameters), requires_grad=True)
    state = torch.zeros((2,) * 5, dtype=torch.complex128)
    state.view(-1)[0] = 1
    for gate in circuit.gates:
        if gate.name == "cx":
            control, target = (4 - qubit for qubit in gate.qubits)
            zero, one = state.unbind(control)
            one = one.flip(target - (target > control))
            state = torch.stack([zero, one], dim=control)
            continue
        half, axis = angles[gate.angle.place] / 2, 4 - gate.qubits[0]
        zero, one = state.unbind(axis)
        if gate.name == "ry":
            zero, one = half.cos() * zero - half.sin() * one, half.sin() * zero + half.cos() * one
        else:
            zero, one = torch.exp(-1j * half) * zero, torch.exp(1j * half) * one
        state = torch.stack([zero, one], dim=axis)
    probabilities = state.abs().square()
    total = sum(probabilities.select(axis, 0).sum() - probabilities.select(axis, 1).sum() for axis in range(5))
    total.backward()
    values, derivatives = Simulator(circuit).gradients(angles.detach().numpy(), PauliSum.total_z(5))
    assert values[0] == pytest.approx(total.item(), abs=1e-13)
    np.testing.assert_allclose(derivatives[0], angles.grad.numpy(), atol=1e-13, rtol=0)


@pytest.mark.parametrize(("precision", "tolerance"), [("single", 2e-4), ("double", 1e-11)])
def test_large_tiles_and_threads_give_the_same(precision: str, tolerance: float):
    circuit = hardware_efficient(17, 3)
    angles = np.random.default_rng(7).uniform(-7, 7, (2, circuit.parameters))
    simulator, paulis = Simulator(circuit, precision), PauliSum.total_z(17)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        derivatives = simulator.gradients(angles, paulis)[1]
    finally:
        torch.set_num_threads(before)
    exact = Simulator(circuit)
    for place in (0, 33, 34, 80, 101):
        shift = np.pi / 2 * (np.arange(circuit.parameters) == place)
        right = (exact.expectations(angles + shift) - exact.expectations(angles - shift)).sum(axis=1) / 2
        np.testing.assert_allclose(derivatives[:, place], right, atol=tolerance, rtol=0)


@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize(("precision", "amplitude_bytes"), [("single", 8), ("double", 16)])
def test_memory_is_four_states_whatever_the_depth(precision: str, amplitude_bytes: int, depth: int):
    circuit, paulis = hardware_efficient(20, depth), PauliSum.total_z(20)
    angles = np.random.default_rng(8).uniform(-7, 7, circuit.parameters)
    # compiles: what the compiler takes is not of the states
    Simulator(circuit, precision).gradients(angles, paulis)
    tracemalloc.start()
    try:
        Simulator(circuit, precision).gradients(angles, paulis)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # beside them room for three tiles of 2 MiB, one to sweep and two to undo, and tables of rows and of columns
    assert peak / amplitude_bytes >= 4 << 20
    assert peak <= (4 * amplitude_bytes << 20) + (8 << 20)


def test_an_observable_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="term 0: found 'W' on qubit 1; right would be X, Y or Z on qubits 0 to 3"):
        PauliSum(4, [PauliTerm(1.0, {1: "W"})])
    with pytest.raises(InputError, match="observable: has 3 qubits; the circuit has 4"):
        Simulator(hardware_efficient(4, 1)).gradients(np.zeros(8), PauliSum.total_z(3))
