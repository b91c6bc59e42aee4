"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI

from kernels.api import InputError
from kernels.training.balancing.workload import Exchanged, Shuffled
from kernels.training.load_balancing import KERNEL, LoadBalancingParameters

SMALL = {"batch": 16, "batches": 3, "width": 16, "layers": 1, "vocabulary": 16, "median_tokens": 20}


def prepare(backend: str, comm: MPI.Comm, **changes: object) -> Shuffled:
    workload = KERNEL.prepare(backend, LoadBalancingParameters(**{**SMALL, **changes}), comm)  # type: ignore[arg-type]
    assert isinstance(workload, Shuffled)
    return workload


def check_strategies(comm: MPI.Comm) -> None:
    torch.set_num_threads(1)
    uneven = {}
    for backend, group in [("shuffled", 0), ("stratified", 0), ("exchanged", 0), ("exchanged", 2)]:
        workload = prepare(backend, comm, group=group, optimizer="lamb" if group else "adam")
        for _ in range(2):
            workload.step()
        check = workload.verify()
        assert check.passed, (backend, group, check)
        for batch in range(SMALL["batches"]):
            numbers = np.concatenate(workload.trained_on(batch))
            assert sorted(numbers) == sorted(np.concatenate([order[batch] for order in workload.drawn]))
            assert len(workload.fetch(batch)[0]) == workload.lengths[workload.trained_on(batch)[comm.rank]].sum()
        uneven[backend, group] = next(f.value for f in workload.figures(1.0) if f.name == "token_imbalance")
        workload.close()
    assert uneven["exchanged", 0] <= uneven["exchanged", 2] < uneven["shuffled", 0]


def test_every_strategy_finds_the_gradient_of_the_sequences_first_drawn() -> None:
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", "4", sys.executable, __file__], check=True, timeout=200)


def test_a_sequence_torn_on_the_way_is_found_out() -> None:
    workload = prepare("exchanged", MPI.COMM_SELF)
    assert isinstance(workload, Exchanged)
    number = int(workload.drawn[0][0][0])
    workload._sequences[number][0] ^= 2
    assert not workload.verify().passed


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.01), ("lamb", 0.03)])
def test_the_loss_falls(optimizer: str, rate: float) -> None:
    workload = prepare("shuffled", MPI.COMM_SELF, loss_steps=60, learning_rate=rate, optimizer=optimizer)
    figures = {figure.name: figure.value for figure in workload.figures(1.0)}
    curve = [tuple(map(float, point.split(": "))) for point in str(figures["loss_curve"]).split(", ")]
    steps, losses = zip(*curve, strict=True)
    assert list(steps) == list(range(3, 61, 3))
    assert losses[0] == pytest.approx(np.log(16), rel=0.1)
    assert losses[-1] == pytest.approx(figures["loss"], rel=1e-2)
    assert losses[-1] < 0.8 * losses[0]


def test_a_training_for_the_loss_leaves_no_communicator_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(Exchanged, "close", lambda self: closed.append(self._group.Free()))
    workload = prepare("exchanged", MPI.COMM_SELF, loss_steps=1)
    workload.figures(1.0)
    assert len(closed) == 1
    workload.close()


@pytest.mark.parametrize(
    ("changes", "ranks", "words"),
    [
        ({"batch": 7}, 2, "batch: found 7 for 2 ranks; right would be 6"),
        ({"batch": 8, "group": 3}, 4, "group: found 3 of 4 ranks"),
    ],
)
def test_what_cannot_be_shared_out_is_told(changes: dict[str, int], ranks: int, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        KERNEL.check(LoadBalancingParameters(**changes), ranks)  # type: ignore[arg-type]


if __name__ == "__main__":
    check_strategies(MPI.COMM_WORLD)
