from __future__ import annotations

import numpy as np
import pytest

from kernels.quantum.circuits.circuit import Circuit, Gate
from kernels.quantum.circuits.families import ghz, hardware_efficient, qft_of_product
from kernels.quantum.engine.binding import make_targets
from kernels.quantum.planning.fusion import Stage, fuse, plan
from kernels.quantum.planning.primitives import Angle, Move, Rotation


@pytest.mark.parametrize("qubits", [20, 21])
def test_a_layer_takes_one_sweep_and_the_first_takes_none(qubits: int):
    assert len(plan(hardware_efficient(qubits, 1)).sweeps) == 0
    assert len(plan(hardware_efficient(qubits, 5)).sweeps) == 4


@pytest.mark.parametrize("qubits", [20, 22, 24])
def test_every_sweep_writes_whole_lines(qubits: int):
    sweeps = plan(hardware_efficient(qubits, 5)).sweeps
    assert make_targets(sweeps, 8).lined.all()
    assert make_targets(sweeps, 16).lined.all()


def test_a_circuit_of_cnots_after_a_product_state_needs_no_sweep():
    assert plan(ghz(12)).sweeps == []


def test_phases_between_rows_and_columns_need_no_sweep_of_their_own():
    turns = tuple(Gate("h", (qubit,)) for qubit in (0, 1))
    phases = (Gate("rzz", (1, 3), 0.3), Gate("rzz", (0, 3), 0.4), Gate("rzz", (0, 1), 0.5))
    assert len(plan(Circuit(4, (*turns, Gate("cx", (0, 1)), *turns, *phases)), row_bits=2).sweeps) == 1


def test_the_fourier_transform_takes_two_sweeps():
    assert len(plan(qft_of_product(20)).sweeps) == 2


def test_cnots_between_rows_need_no_sweep_of_their_own():
    pair = [gate for _ in range(3) for gate in (Gate("ry", (0,), 0.3), Gate("ry", (1,), 0.4), Gate("cx", (0, 1)))]
    assert len(plan(Circuit(8, tuple(pair)), row_bits=2).sweeps) == 1


def test_stages_begin_with_their_qubits_on_top():
    first, second = ([Rotation((qubit,), Angle(0, 0.0, 0.3)) for qubit in qubits] for qubits in ((0, 1), (1, 2)))
    fused = fuse([Stage([Move((0, 1)), *first]), Stage(second, top=(3, 1))], qubits=5, last=[4, 3, 2, 1, 0])
    assert fused.layouts[fused.starts[1]][-2:] == [3, 1]
    assert fused.layouts[-1] == [4, 3, 2, 1, 0]


def test_the_state_is_permuted_and_nothing_is_lost():
    for sweep in plan(hardware_efficient(9, 3)).sweeps:
        addresses = sweep.row_targets[:, None] ^ sweep.column_targets
        assert np.array_equal(np.sort(addresses, axis=None), np.arange(1 << 9))


def test_a_rotation_waits_for_the_cnot_before_it():
    circuit = Circuit(4, (Gate("h", (0,)), Gate("cx", (0, 1)), Gate("h", (1,)), Gate("h", (3,))))
    fused = plan(circuit)
    assert len(fused.sweeps) == 1
    assert [len(step.turns) for step in fused.preparation.steps] == [0, 2]
