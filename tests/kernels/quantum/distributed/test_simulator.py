from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpi4py import MPI

from kernels.api import InputError
from kernels.quantum import Simulator
from kernels.quantum.circuits import reference
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.circuits.families import hardware_efficient
from kernels.quantum.distributed.simulator import DistributedSimulator

# circuits over four ranks, over each half of them, and on each rank alone
CIRCUITS = """
import json, random
import numpy as np
from mpi4py import MPI
from kernels.quantum.circuits.circuit import Circuit, Gate
from kernels.quantum.distributed.simulator import DistributedSimulator
from kernels.quantum.circuits.families import ghz, qft, w
from kernels.quantum.circuits.gates import KINDS

world = MPI.COMM_WORLD
halves = world.Split(world.rank // 2)

def draw(source):
    # a few are large enough for many tiles
    qubits = source.choices([source.randint(5, 8), source.randint(13, 16)], [95, 5])[0]
    names = source.choices(sorted(KINDS), k=source.randint(5, 50))
    gates = [
        Gate(name, tuple(source.sample(range(qubits), kind.qubits)), source.uniform(-7, 7) if kind.has_angle else None)
        for name, kind in ((name, KINDS[name]) for name in names)
    ]
    return Circuit(qubits, tuple(gates))

def closed_forms(qubits, start):
    # circuits and their states, by definition
    numbers = np.arange(1 << qubits)
    flips = tuple(Gate("x", (qubit,)) for qubit in range(qubits) if start >> qubit & 1)
    yield ghz(qubits), np.isin(numbers, [0, numbers[-1]]) / np.sqrt(2)
    yield w(qubits), np.isin(numbers, 1 << np.arange(qubits)) / np.sqrt(qubits)
    # the phase's whole turns are left out before they cost precision
    turns = start * numbers % numbers.size / numbers.size
    yield Circuit(qubits, flips + qft(qubits).gates), np.exp(2j * np.pi * turns) / np.sqrt(numbers.size)

off = [
    float(np.abs(DistributedSimulator(circuit, comm).amplitudes()[0] - state).max())
    for comm in (MPI.COMM_SELF, halves, world)
    for circuit, state in closed_forms(13, 4099)
]
errors, miscounted, sent = [], 0, 0
for seed in range(100):
    circuit = draw(random.Random(seed))
    alone = DistributedSimulator(circuit, MPI.COMM_SELF)
    state, values = alone.amplitudes(), alone.expectations()
    for comm in (halves, world):
        together = DistributedSimulator(circuit, comm)
        errors.append(np.abs(together.amplitudes() - state).max())
        miscounted += together.sent_bytes != 16 * together.distribution.sent_amplitudes()
        errors.append(np.abs(together.expectations() - values).max())
        sent += together.sent_bytes
answers = world.gather([float(max(errors)), miscounted, sent, off])
if answers:
    print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(on_ranks: Callable[[int, str], str]) -> list[Any]:
    """Of each of four ranks; to start them takes longer than their work."""
    return json.loads(on_ranks(4, CIRCUITS))


def test_two_and_four_ranks_agree_with_one_and_send_what_was_counted(answers: list[Any]):
    for error, miscounted, sent, _ in answers:
        assert error < 1e-12
        assert miscounted == 0
        assert sent > 0


def test_ghz_w_and_qft_on_one_two_and_four_ranks_are_their_closed_forms(answers: list[Any]):
    for *_, errors in answers:
        assert len(errors) == 9
        assert max(errors) < 1e-12


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_one_rank_is_the_reference(data: st.DataObject, random_circuits: Callable[[], st.SearchStrategy[Circuit]]):
    circuit = data.draw(random_circuits())
    right = reference.simulate(circuit)
    simulator = DistributedSimulator(circuit, MPI.COMM_SELF)
    np.testing.assert_allclose(simulator.amplitudes()[0], right, atol=1e-12, rtol=0)
    np.testing.assert_allclose(simulator.expectations()[0], reference.expectations(right), atol=1e-12, rtol=0)


BATCH = """
import json
import numpy as np
from mpi4py import MPI
from kernels.quantum.distributed.simulator import DistributedSimulator
from kernels.quantum.circuits.families import hardware_efficient

circuit = hardware_efficient(17, 3)
angles = np.random.default_rng(5).uniform(-7, 7, (2, circuit.parameters))
simulator = DistributedSimulator(circuit, MPI.COMM_WORLD, "single")
values = simulator.expectations(angles)
if MPI.COMM_WORLD.rank == 0:
    print(json.dumps([values.tolist(), simulator.sent_bytes]))
"""


def test_each_circuit_of_a_batch_has_its_own_angles(on_two_ranks: Callable[[str], str]):
    values, sent_bytes = json.loads(on_two_ranks(BATCH))
    circuit = hardware_efficient(17, 3)
    angles = np.random.default_rng(5).uniform(-7, 7, (2, circuit.parameters))
    np.testing.assert_allclose(values, Simulator(circuit).expectations(angles), atol=2e-6, rtol=0)
    # one exchange of half of 2**16 amplitudes, for each of two circuits
    assert sent_bytes == 2 * 8 * 2**15


def test_unknown_numbers_of_angles_are_refused():
    with pytest.raises(InputError, match="angles: found 3 a circuit; this one takes 16"):
        DistributedSimulator(hardware_efficient(4, 2), MPI.COMM_SELF).expectations([1, 2, 3])
