from __future__ import annotations

import pytest

from kernels.api import InputError
from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (Gate("cnot", (0, 1)), "gate 0 (cnot): no such gate; there are id, x, y,"),
        (Gate("cx", (0,)), "gate 0 (cx): found qubits (0,); it acts on 2 different ones"),
        (Gate("cx", (1, 1)), "found qubits (1, 1); it acts on 2 different ones"),
        (Gate("x", (3,)), "found qubits (3,); the circuit has 0 to 2"),
        (Gate("rx", (0,)), "found angle None; it takes one"),
        (Gate("h", (0,), 0.5), "found angle 0.5; it takes none"),
    ],
)
def test_a_gate_that_cannot_be_is_named(gate: Gate, message: str):
    with pytest.raises(InputError) as caught:
        Circuit(3, (gate,))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_binding_fills_in_parameters_and_keeps_fixed_angles():
    circuit = Circuit(1, (Gate("rx", (0,), Parameter(1)), Gate("rz", (0,), 0.25), Gate("h", (0,))))
    assert list(circuit.bind([1.5, 2.5])) == [("rx", (0,), 2.5), ("rz", (0,), 0.25), ("h", (0,), 0.0)]


def test_depth_and_entangling_gates_are_counted():
    circuit = Circuit(
        3, (Gate("h", (0,)), Gate("cx", (0, 1)), Gate("x", (2,)), Gate("ccx", (0, 1, 2)), Gate("x", (0,)))
    )
    assert (circuit.depth, circuit.entangling_gates) == (4, 2)
    assert Circuit(2, ()).depth == 0
