from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kernels import registry
from kernels.api import InputError, parse_parameters

KERNEL = registry.load("circuit_sim")

SHARE = """
import json
from mpi4py import MPI
from kernels import registry
kernel = registry.load("circuit_sim")
workload = kernel.prepare("torch", kernel.parameters(qubits=6, depth=2, batch=5), MPI.COMM_WORLD)
workload.step()
values = MPI.COMM_WORLD.gather(workload.expectations.tolist())
check = workload.verify()
if values:
    print(json.dumps([values, check.passed]))
"""


def prepare(backend: str, **values: Any) -> Any:
    missing = KERNEL.backends[backend].missing("cpu")
    if missing:
        pytest.skip(missing)
    return KERNEL.prepare(backend, parse_parameters(KERNEL, values))


# Qulacs computes in double precision only
CASES = [(backend, precision) for backend in KERNEL.backends for precision in ("single", "double")]
CASES.remove(("qulacs", "single"))


@pytest.mark.parametrize(("backend", "precision"), CASES)
def test_every_backend_passes_its_check(backend: str, precision: str):
    workload = prepare(backend, qubits=7, depth=3, batch=3, precision=precision)
    workload.step()
    check = workload.verify()
    assert check.passed, check
    assert check.error < (1e-6 if precision == "single" else 1e-13)


@pytest.mark.parametrize("circuit", [0, 2])
def test_the_check_sees_one_wrong_circuit(circuit: int):
    workload = prepare("torch", qubits=4, batch=3)
    workload.step()
    workload.expectations[circuit, 1] += 1e-9
    assert not workload.verify().passed


def test_the_check_fails_before_the_first_step():
    assert not prepare("torch", qubits=4, batch=1).verify().passed


def test_two_ranks_share_the_batch(on_two_ranks: Callable[[str], str]):
    shares, passed = json.loads(on_two_ranks(SHARE))
    alone = prepare("torch", qubits=6, depth=2, batch=5)
    alone.step()
    assert [len(share) for share in shares] == [3, 2]
    assert passed
    np.testing.assert_allclose(np.concatenate(shares), alone.expectations, atol=1e-14)


def test_work_counts_gates_of_all_layers_but_the_first():
    work = prepare("torch", qubits=8, depth=3, batch=2, precision="single").work()
    # two layers of eight RY in two sweeps each, whose phases are one product a sweep
    assert work.flops == 2 * 2**8 * (2 * (8 * 6 + 2 * 6) + 11)
    assert work.memory_bytes == 2 * 2**8 * 8 * (2 * 4 + 2)
    assert (work.items, work.item) == (2, "circuit")


def test_fewer_circuits_than_ranks_are_refused():
    with pytest.raises(InputError, match=r"parameter batch: 1 circuits cannot be divided over 2 ranks; right would be"):
        KERNEL.check(KERNEL.parameters(batch=1), 2)


def test_weak_scaling_keeps_the_circuits_of_a_rank():
    assert KERNEL.grow(KERNEL.parameters(batch=3), 4).batch == 12


def test_qulacs_refuses_single_precision():
    pytest.importorskip("qulacs")
    with pytest.raises(InputError, match="found 'single'; this backend computes in double"):
        prepare("qulacs", precision="single")
