from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from kernels import registry
from kernels.api import InputError

KERNEL = registry.load("circuit_sim")

STATE = """
import json
from mpi4py import MPI
from kernels import registry
kernel = registry.load("circuit_sim")
parameters = kernel.parameters(distribution="state", qubits=9, depth=3, batch=2)
workload = kernel.prepare("torch", parameters, MPI.COMM_WORLD)
before = workload.simulator.sent_bytes
workload.step()
sent, work = workload.simulator.sent_bytes - before, workload.work()
check = workload.verify()
workload.expectations[1, 3] += 1e-9
spoilt = workload.verify()
if MPI.COMM_WORLD.rank == 0:
    print(json.dumps([check.error, spoilt.passed, sent, work.sent_bytes, work.messages, work.flops, work.items]))
"""


def test_ranks_share_each_state_and_send_what_the_work_says(on_ranks: Callable[[int, str], str]):
    error, spoilt_passed, sent, counted, messages, flops, items = json.loads(on_ranks(4, STATE))
    assert error < 1e-13
    assert not spoilt_passed
    # two circuits' exchange of three quarters of 2**7 amplitudes, then the sum of 2 x 9 values
    assert sent == 2 * 96 * 16
    assert counted == sent + 2 * 3 / 4 * 2 * 9 * 8
    assert messages == 2 * 3 + 2 * 2
    assert items == 2
    assert flops == KERNEL.prepare("torch", KERNEL.parameters(qubits=9, depth=3, batch=2)).work().flops / 4


def test_weak_scaling_adds_a_qubit_for_each_doubling():
    grown = KERNEL.grow(KERNEL.parameters(distribution="state", qubits=20, batch=1), 4)
    assert (grown.qubits, grown.batch) == (22, 1)


def test_ranks_that_cannot_share_a_state_are_refused():
    with pytest.raises(InputError, match="found 3 ranks for 16 qubits; right would be a power of two up to 32"):
        KERNEL.check(KERNEL.parameters(distribution="state"), 3)


def test_peers_divide_samples_only():
    with pytest.raises(InputError, match="backend qulacs takes distribution=samples, not state"):
        KERNEL.prepare("qulacs", KERNEL.parameters(distribution="state", qubits=4))
