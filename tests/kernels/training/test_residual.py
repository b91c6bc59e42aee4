"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI

from kernels.api import InputError
from kernels.training.horovod_resnet import KERNEL, HorovodResnetParameters
from kernels.training.residual import ResidualNetwork, ResnetStep, count_products
from kernels.training.sides import taking_sides

SMALL = HorovodResnetParameters(batch=11, image=8, width=2)


def prepare(backend: str, comm: MPI.Comm) -> ResnetStep:
    workload = KERNEL.prepare(backend, SMALL, comm)
    assert isinstance(workload, ResnetStep)
    return workload


def check_backends_take_the_same_steps(comm: MPI.Comm) -> None:
    torch.set_num_threads(1)
    weights = {}
    for name, backend in KERNEL.backends.items():
        if backend.missing("cpu"):
            continue
        workload = prepare(name, comm)
        for _ in range(3):
            workload.step()
        check = workload.verify()
        assert check.passed, (name, check)
        weights[name] = workload.network.last.weight.detach().clone()
        workload.close()
    assert len(weights) >= 2
    for name, value in weights.items():
        np.testing.assert_allclose(value, weights["mpi"], atol=1e-5, err_msg=name)
        assert all(np.array_equal(other, value) for other in comm.allgather(value.numpy()))


@pytest.mark.parametrize("ranks", [1, 2])
def test_all_backends_take_the_same_steps(ranks: int) -> None:
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", str(ranks), sys.executable, __file__], check=True, timeout=120)


def test_a_wrong_gradient_is_found_out() -> None:
    workload = prepare("mpi", MPI.COMM_SELF)
    whole = workload.gradients.exchange

    def exchange() -> None:
        whole()
        workload.gradients.flat[0] += 0.01

    workload.gradients.exchange = exchange  # type: ignore[method-assign]
    assert not workload.verify().passed


def test_a_relu_that_is_on_another_side_is_told() -> None:
    network, images = ResidualNetwork(2), torch.randn(4, 1, 8, 8)
    with taking_sides(network) as sides:
        network(images)
    # the last ReLU's, so that no other sees another input
    sides[-1][0, 0, 0, 0] ^= True
    with taking_sides(network, sides) as doubtful:
        network(images)
    assert [values.numel() for values in doubtful] == [0] * (len(sides) - 1) + [1]


def test_it_learns() -> None:
    workload = prepare("mpi", MPI.COMM_SELF)
    workload.step()
    at_first = workload.loss.item()
    for _ in range(40):
        workload.step()
    assert workload.loss.item() < at_first / 2


def test_multiply_adds_are_those_of_the_layers() -> None:
    total, first = count_products(ResidualNetwork(16), 32)
    assert first == 9 * 16 * 32**2
    # three stages whose convolutions have 16, 32, 64 channels on 32², 16², 8² pixels, two projections, the last layer
    stages = 2 * 9 * 16 * 16 * 32**2 + (9 * 16 * 32 + 9 * 32**2 + 16 * 32) * 16**2
    stages += (9 * 32 * 64 + 9 * 64**2 + 32 * 64) * 8**2
    assert total == first + stages + 640


def test_every_rank_wants_an_image() -> None:
    with pytest.raises(InputError, match="parameter batch: 3 cannot be divided over 4 ranks"):
        KERNEL.check(HorovodResnetParameters(batch=3), 4)


if __name__ == "__main__":
    check_backends_take_the_same_steps(MPI.COMM_WORLD)
