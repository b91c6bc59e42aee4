from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kernels import registry
from kernels.api import InputError, parse_parameters

KERNEL = registry.load("qcnn_layer")

SHARE = """
import json
from mpi4py import MPI
from kernels import registry
kernel = registry.load("qcnn_layer")
workload = kernel.prepare("torch", kernel.parameters(qubits=4, batch=5, precision="double"), MPI.COMM_WORLD)
workload.step()
results = MPI.COMM_WORLD.gather(workload.result.tolist())
check = workload.verify()
if results:
    print(json.dumps([results, check.passed]))
"""


def prepare(backend: str, **values: Any) -> Any:
    missing = KERNEL.backends[backend].missing("cpu")
    if missing:
        pytest.skip(missing)
    return KERNEL.prepare(backend, parse_parameters(KERNEL, values))


@pytest.mark.parametrize("backend", KERNEL.backends)
@pytest.mark.parametrize("encoding", ["zz", "z"])
@pytest.mark.parametrize("gradient", [True, False])
def test_every_backend_is_exact(backend: str, encoding: str, gradient: bool):
    workload = prepare(backend, qubits=3, batch=3, precision="double", encoding=encoding, gradient=gradient)
    workload.step()
    assert workload.verify().error < 1e-13
    assert len(workload.result) == (1 + len(workload.weights) if gradient else 1)


# EstimatorQNN computes in double precision only
@pytest.mark.parametrize("backend", [name for name in KERNEL.backends if name != "estimator-qnn"])
def test_every_backend_passes_its_check_in_single_precision(backend: str):
    workload = prepare(backend, qubits=6, batch=5, precision="single")
    workload.step()
    check = workload.verify()
    assert check.passed, check


def test_estimator_qnn_refuses_single_precision():
    with pytest.raises(InputError, match="backend estimator-qnn takes precision=double, not single"):
        prepare("estimator-qnn", precision="single")


def test_values_alone_need_a_quarter_of_the_work_and_no_gradient_sent():
    values, gradient = (prepare("torch", gradient=wanted).work() for wanted in (False, True))
    assert 0.25 < values.flops / gradient.flops < 0.3
    assert values.items == gradient.items == 64


@pytest.mark.parametrize("place", [0, 1, -1])
def test_the_check_sees_a_wrong_loss_or_gradient(place: int):
    workload = prepare("torch", qubits=4, batch=3, precision="double")
    workload.step()
    workload.result[place] += 1e-9
    assert not workload.verify().passed


def test_the_check_sees_one_wrong_value():
    workload = prepare("torch", qubits=4, batch=3, precision="double")
    workload.step()
    workload.values[1] += 1e-9
    assert not workload.verify().passed


def test_two_ranks_make_the_gradient_of_one(on_two_ranks: Callable[[str], str]):
    results, passed = json.loads(on_two_ranks(SHARE))
    alone = prepare("torch", qubits=4, batch=5, precision="double")
    alone.step()
    assert passed
    for result in results:
        np.testing.assert_allclose(result, alone.result, atol=1e-14, rtol=0)


def test_fewer_samples_than_ranks_are_refused():
    with pytest.raises(InputError, match=r"parameter batch: 2 cannot be divided over 4 ranks; right would be"):
        KERNEL.check(KERNEL.parameters(batch=2), 4)


def test_weak_scaling_keeps_the_samples_of_a_rank():
    assert KERNEL.grow(KERNEL.parameters(batch=3), 4).batch == 12
