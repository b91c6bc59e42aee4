from __future__ import annotations

import numpy as np
import pytest

from kernels.quantum.circuit import Circuit, Gate, ghz, hardware_efficient, qft
from kernels.quantum.fusion import plan


@pytest.mark.parametrize("qubits", [8, 20, 21])
def test_a_layer_takes_two_sweeps_and_the_first_takes_none(qubits: int):
    assert len(plan(hardware_efficient(qubits, 5)).sweeps) == 2 * 4


def test_a_circuit_of_cnots_after_a_product_state_needs_no_sweep():
    assert plan(ghz(12)).sweeps == []


def test_phases_pass_those_left_behind():
    turns = tuple(Gate("h", (qubit,)) for qubit in (0, 1))
    phases = (Gate("rzz", (1, 3), 0.3), Gate("rzz", (0, 3), 0.4), Gate("rzz", (0, 1), 0.5))
    first, *others = plan(Circuit(4, (*turns, Gate("cx", (0, 1)), *turns, *phases)), row_bits=2).sweeps
    # only the last phase is on the two rows that turn
    assert 0b11 in [mask for step in first.steps for mask, _ in step.phases]
    assert len(others) == 2


def test_the_fourier_transform_takes_fewer_sweeps_than_qubits():
    assert len(plan(qft(20)).sweeps) < 20


def test_the_state_is_permuted_and_nothing_is_lost():
    for sweep in plan(hardware_efficient(9, 3)).sweeps:
        addresses = sweep.row_targets[:, None] ^ sweep.column_targets
        assert np.array_equal(np.sort(addresses, axis=None), np.arange(1 << 9))


def test_a_rotation_waits_for_the_cnot_before_it():
    circuit = Circuit(4, (Gate("h", (0,)), Gate("cx", (0, 1)), Gate("h", (1,)), Gate("h", (3,))))
    fused = plan(circuit)
    assert len(fused.sweeps) == 1
    assert [len(step.rotations) for step in fused.preparation.steps] == [0, 2]
