"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from mpi4py import MPI

from kernels.api import InputError
from kernels.training.parallel.grid import Grid
from kernels.training.parallel.network import make_layers
from kernels.training.parallel.schedules import replay
from kernels.training.parallel.strategy import Strategy
from kernels.training.parallel_training import KERNEL, ParallelTrainingParameters

SMALL = ParallelTrainingParameters(batch=23, width=12, blocks=5, micro_batches=3, learning_rate=0.1)
TORCH_PIPELINES = ("torch-gpipe", "torch-1f1b")
# compute another update by design
ASYNCHRONOUS = ("pipedream", "local")


def prepare(backend: str, comm: MPI.Comm, **changes: object) -> Strategy:
    workload = KERNEL.prepare(backend, msgspec.structs.replace(SMALL, **changes), comm)
    assert isinstance(workload, Strategy)
    return workload


def relative_error(found: dict[str, torch.Tensor], exact: dict[str, torch.Tensor]) -> float:
    """In the 2-norm of all parameters together, as the demand of 1e-5 is meant: layers' norms differ by far."""
    assert set(found) == set(exact)
    difference = torch.cat([(found[name] - exact[name]).flatten() for name in exact])
    return (difference.norm() / torch.cat([value.flatten() for value in exact.values()]).norm()).item()


def serial_gradient(workload: Strategy) -> dict[str, torch.Tensor]:
    """Of the first step: one process, the whole batch at once, float64."""
    layers = make_layers(SMALL.width, SMALL.blocks, SMALL.seed).double()
    loss = torch.nn.functional.cross_entropy(layers(workload.inputs.double()), workload.labels)
    names, weights = zip(*layers.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, weights), strict=True))


def check_every_strategy(comm: MPI.Comm) -> None:
    torch.set_num_threads(1)
    first: dict[str, torch.Tensor] = {}
    after = {}
    for backend in KERNEL.backends:
        if comm.size == 1 and backend in TORCH_PIPELINES:
            continue
        # torch's pipelines want micro-batches of one size
        changes = {"batch": 24, "micro_batches": 4} if backend in TORCH_PIPELINES else {}
        workload = prepare(backend, comm, **changes)
        workload.step()
        if backend not in ASYNCHRONOUS:
            error = relative_error(workload.gather(workload.own_gradients()), serial_gradient(workload))
            assert error < 1e-5, (backend, error)
        workload.step()
        after[backend] = workload.gather(workload.own_weights())
        check = workload.verify()
        assert check.passed, (backend, check)
        assert check.tolerance == 1e-5 or backend == "pipedream"
        # the check took the first step once more
        if backend not in (*ASYNCHRONOUS, *TORCH_PIPELINES):
            first = first or workload.gather(workload.own_weights())
            assert relative_error(workload.gather(workload.own_weights()), first) < 1e-6, backend
        sent = workload.work().sent_bytes
        if backend in ("gpipe", "1f1b", *ASYNCHRONOUS):
            most = max(comm.allgather(workload.pipeline.sent_bytes))
            assert most == sent, (backend, most, sent)
        # of a pipeline each boundary is crossed there and back
        figures = {figure.name: figure.value for figure in workload.figures(1.0)}
        if backend in ("gpipe", "1f1b", "pipedream", *TORCH_PIPELINES):
            batch = workload.parameters.batch
            assert figures["sent_bytes"] == 2 * (comm.size - 1) * 4 * batch * SMALL.width, backend
        elif backend != "hybrid":
            assert (figures["sent_bytes"] > 0) == (comm.size > 1), backend
        workload.close()
    # what is stale or local goes elsewhere
    if comm.size > 1:
        assert not torch.allclose(after["local"]["1.expand.weight"], after["data"]["1.expand.weight"], atol=1e-4)


def check_local_classifiers_count(comm: MPI.Comm) -> None:
    """Every stage's but the last: in the check, in the memory, in the work."""
    workload, whole = prepare("local", comm), prepare("1f1b", comm)
    head_bytes = 4 * 10 * (SMALL.width + 1) * (comm.rank < comm.size - 1)
    assert workload.parameter_bytes() == whole.parameter_bytes() + head_bytes
    assert comm.rank == comm.size - 1 or workload.work().flops > whole.work().flops
    step = workload.step

    def spoil_a_classifier() -> None:
        step()
        if comm.rank == 0:
            workload.own_gradients()["head.0.bias"][0] += 0.01

    workload.step = spoil_a_classifier  # type: ignore[method-assign]
    assert not workload.verify().passed
    for each in (workload, whole):
        each.close()


def check_the_gap_of_local_is_told(comm: MPI.Comm) -> None:
    workload = prepare("local", comm, accuracy_steps=2)
    alike = prepare("data", comm, accuracy_steps=2)
    for each in (workload, alike):
        each.step()
    found, right = ({figure.name: figure.value for figure in each.figures(1.0)} for each in (workload, alike))
    assert found["accuracy_gap"] == pytest.approx(float(right["accuracy"]) - float(found["accuracy"]))
    for each in (workload, alike):
        each.close()


def check_bubble_is_that_of_the_formula(comm: MPI.Comm) -> None:
    """Of stages that take a time forward and twice that back, whichever rank came first, in quick and slow steps."""
    for backend, forward_s in itertools.product(("gpipe", "1f1b", "local"), (0.25, 1.0)):
        workload = prepare(backend, comm, batch=32, micro_batches=16)
        assert isinstance(workload, Grid)
        schedule = [workload.schedule(stage, comm.size, 16) for stage in range(comm.size)]
        actions_s = [[forward_s * (1 + (action.direction == "backward")) for action in own] for own in schedule]
        whole_s = replay(schedule, actions_s, workload.sends_gradients)
        early_s = 7.0 * comm.rank * workload.sends_gradients
        # three steps in which every rank waited as long again, and one that nothing disturbed
        runs_s = [2 * whole_s + early_s] * 3 + [whole_s + early_s]
        workload._pipeline_s = [(actions_s[comm.rank], run_s) for run_s in runs_s]
        figures = {figure.name: figure.value for figure in workload.figures(1.0)}
        expected = figures["bubble_expected"]
        assert expected == pytest.approx((comm.size - 1) / ((48 if backend == "local" else 16) + comm.size - 1))
        assert figures["bubble_calibrated"] == pytest.approx(expected)
        assert figures["bubble_quickest"] == pytest.approx(expected)
        assert figures["bubble"] == pytest.approx((1 + float(expected)) / 2)
        workload.close()


def check_real_waiting_is_a_bubble(comm: MPI.Comm) -> None:
    """Real stages wait; how near to the formula is seen where they share no cores (benchmarks/pipeline_bubble.py)."""
    workload = prepare("1f1b", comm, batch=32, micro_batches=16)
    assert isinstance(workload, Grid)
    for name, lasts_s in (("forward", 0.002), ("backward", 0.004)):
        setattr(workload.pipeline.stage, name, lasting(getattr(workload.pipeline.stage, name), lasts_s))
    for _ in range(5):
        workload.step()
    figures = {figure.name: float(figure.value) for figure in workload.figures(1.0)}
    for figure in ("bubble_quickest", "bubble_calibrated"):
        assert 0.9 * figures["bubble_expected"] < figures[figure] < 1
    workload.close()


def check_stages_that_ranks_cannot_take_are_refused(comm: MPI.Comm) -> None:
    """Neither more than there are nor a number that leaves ranks over."""
    for stages in {comm.size + 1, max(3, comm.size - 1)}:
        with pytest.raises(InputError, match=f"{stages} stages of 8 blocks on {comm.size} ranks"):
            prepare("hybrid", comm, blocks=8, stages=stages)


def lasting(action: Callable[..., Any], lasts_s: float) -> Callable[..., Any]:
    """The action, which ends when its time is over and not before; asleep, so that it wants no core."""

    def run(*arguments: object) -> object:
        ends_s = time.perf_counter() + lasts_s
        found = action(*arguments)
        time.sleep(max(0.0, ends_s - time.perf_counter()))
        return found

    return run


def test_every_strategy_finds_the_gradient_of_one_process() -> None:
    """On four ranks and on pairs of them: starting ranks takes longer than all that they do."""
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", "4", sys.executable, __file__], check=True, timeout=200)


@pytest.mark.parametrize("backend", ["data", "tensor", "gpipe", "pipedream"])
def test_a_wrong_gradient_is_found_out(backend: str) -> None:
    workload = prepare(backend, MPI.COMM_SELF)
    whole = workload.step

    def step() -> None:
        workload.inputs[0] += 0.01
        whole()

    workload.step = step  # type: ignore[method-assign]
    assert not workload.verify().passed


@pytest.mark.parametrize("backend", ["data", "pipedream"])
def test_what_is_learnt_by_heart_is_checked_as_well(backend: str) -> None:
    """A gradient near zero is rounding alone: the check starts anew."""
    workload = prepare(backend, MPI.COMM_SELF, batch=3)
    for _ in range(1500):
        workload.step()
    check = workload.verify()
    assert check.passed, check


def test_recomputing_changes_the_memory_and_not_the_gradient() -> None:
    plain, frugal = (prepare("gpipe", MPI.COMM_SELF, recompute=recompute) for recompute in (False, True))
    for workload in (plain, frugal):
        workload.step()
    for name, value in plain.own_gradients().items():
        assert torch.equal(value, frugal.own_gradients()[name])
    assert frugal.peak_bytes() < plain.peak_bytes()
    assert frugal.work().flops > plain.work().flops


def test_it_learns_the_digits() -> None:
    workload = prepare("data", MPI.COMM_SELF, width=64, batch=128, accuracy_steps=150, learning_rate=0.2)
    (accuracy,) = (figure.value for figure in workload.figures(1.0) if figure.name == "accuracy")
    assert accuracy > 0.9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"micro_batches": 24}, "micro_batches: found 24; right would be at most batch=23"),
        ({"batch": 2, "micro_batches": 3}, "micro_batches: found 3; right would be at most batch=2"),
    ],
)
def test_what_cannot_be_divided_is_told(changes: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        prepare("gpipe", MPI.COMM_SELF, **changes)


if __name__ == "__main__":
    for comm in (MPI.COMM_WORLD, MPI.COMM_WORLD.Split(MPI.COMM_WORLD.rank // 2)):
        check_every_strategy(comm)
        check_bubble_is_that_of_the_formula(comm)
        check_real_waiting_is_a_bubble(comm)
        check_local_classifiers_count(comm)
        check_the_gap_of_local_is_told(comm)
        check_stages_that_ranks_cannot_take_are_refused(comm)
