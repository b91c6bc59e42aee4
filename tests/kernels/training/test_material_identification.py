"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from mpi4py import MPI

from kernels.api import InputError
from kernels.training.identification.workload import Identification, NetworkIdentification
from kernels.training.material_identification import KERNEL, MaterialIdentificationParameters

SMALL = MaterialIdentificationParameters(records=64, shards=2, batch=16, width=4, epochs=2, trees=3)


def check_ranks_train_one_network(comm: MPI.Comm) -> None:
    workload = KERNEL.prepare("mtl", SMALL, comm)
    assert isinstance(workload, NetworkIdentification)
    workload.step()
    assert workload.verify().passed
    # a check leaves what it checks as it was
    assert workload.verify().passed
    weights = comm.allgather(workload.trainer.network.state_dict())
    assert all(torch.equal(value, other[name]) for other in weights for name, value in weights[0].items())
    workload.trainer.gradients.exchange = lambda: None  # type: ignore[method-assign]
    assert not workload.verify().passed


def check_ranks_fit_one_surface(comm: MPI.Comm) -> None:
    workload = KERNEL.prepare("surface", SMALL, comm)
    workload.step()
    # among its errors is the gradient over all ranks' records
    assert workload.verify().passed


def test_ranks_train_one_network_and_fit_one_surface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", "2", sys.executable, __file__], check=True, timeout=240)


@pytest.mark.parametrize("backend", ["mtl", "nas", "random-edges", "trees", "surface"])
def test_every_method_answers_as_its_reference(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    if reason := KERNEL.backend(backend).missing("cpu"):
        pytest.skip(reason)
    workload = KERNEL.prepare(backend, SMALL)
    workload.step()
    assert workload.verify().passed
    assert isinstance(workload, Identification)
    figures = {figure.name: figure.value for figure in workload.figures(1.0)}
    targets = workload.parts.test.targets.numpy()
    right = np.square((workload.outputs - targets) * workload.parts.units).mean(axis=0).sum()
    assert figures["test loss"] == pytest.approx(right, rel=1e-5)
    assert figures["test loss, straight line"] == pytest.approx(
        np.square(targets * workload.parts.units).mean(axis=0).sum(), rel=1e-5
    )
    assert workload.work().items > 0
    workload.outputs = workload.outputs + 0.01
    assert not workload.verify().passed


def test_training_ends_at_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    workload = KERNEL.prepare("mtl", MaterialIdentificationParameters(records=64, shards=2, width=4, target_loss=1e9))
    workload.step()
    figures = {figure.name: figure.value for figure in workload.figures(1.0)}
    assert figures["epochs"] == 1
    assert figures["time to loss"] > 0


@pytest.mark.parametrize("backend", ["mtl", "nas"])
def test_training_ends_when_its_seconds_are_over(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    budget = msgspec.structs.replace(SMALL, epochs=100_000, train_s=1.0, target_loss=0.0)
    workload = KERNEL.prepare(backend, budget)
    assert isinstance(workload, NetworkIdentification)
    workload.step()
    seconds = workload.trainer.history.seconds
    assert len(seconds) == workload.trainer.epochs < 100_000
    # another epoch would not have fitted in, nor was the last one begun too late
    assert seconds[-1] + seconds[-1] / len(seconds) > 1.0
    assert len(seconds) == 1 or seconds[-2] < 1.0
    assert workload.verify().passed


@pytest.mark.parametrize(("batch", "message"), [(4, "found 4 for 3 ranks"), (64, None)])
def test_a_batch_too_small_for_the_ranks_is_refused(batch: int, message: str | None) -> None:
    parameters = MaterialIdentificationParameters(batch=batch)
    if message is None:
        KERNEL.check(parameters, 3)
        return
    with pytest.raises(InputError, match=message):
        KERNEL.check(parameters, 3)


if __name__ == "__main__":
    check_ranks_train_one_network(MPI.COMM_WORLD)
    check_ranks_fit_one_surface(MPI.COMM_WORLD)
