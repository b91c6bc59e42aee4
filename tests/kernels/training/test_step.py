"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mpi4py import MPI

from kernels.training.mtl_step import KERNEL, MtlStepParameters
from kernels.training.sides import largest, taking_sides
from kernels.training.step import CompiledMtlStep, EagerMtlStep, FusedMtlStep, MtlStep, batch_loss

SMALL = MtlStepParameters(batch=23, records=64, shards=3, width=8)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def check_gradient_over_ranks_is_that_of_one_process(comm: MPI.Comm) -> None:
    """With batch normalisation frozen, since it otherwise sees the part of a rank only; dropout stays on."""
    divided = EagerMtlStep(SMALL, comm, "cpu")
    divided.network.eval()
    with taking_sides(divided.network) as parts:
        divided.compute_gradients()
    sides = [torch.cat(ranks) for ranks in zip(*comm.allgather(parts), strict=True)]
    keep = torch.cat(comm.allgather(divided.keep), dim=1).double()

    whole = EagerMtlStep(SMALL, MPI.COMM_SELF, "cpu")
    assert torch.equal(torch.cat(comm.allgather(divided.strains)), whole.strains)
    exact = whole.network.double().eval()
    with taking_sides(exact, sides) as lacking:
        loss = batch_loss(exact, whole.strains.double(), whole.targets.double(), keep, SMALL.batch)
    assert largest(lacking) < 1e-5
    expected = torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(exact.parameters()))])
    assert relative_error(divided.gradients.flat.double(), expected) < 1e-5
    assert divided.figures(1.0)[0].value == pytest.approx(loss.item(), rel=1e-5)


def check_ranks_stay_equal_and_a_lost_part_is_seen(comm: MPI.Comm) -> None:
    workload = EagerMtlStep(SMALL, comm, "cpu")
    for _ in range(3):
        workload.step()
    assert workload.verify().passed
    weights = comm.allgather(workload.network.heads[7].output.weight.tolist())
    assert all(other == weights[0] for other in weights)
    if comm.size > 1:
        workload.gradients.exchange = lambda: None  # type: ignore[method-assign]
        assert not workload.verify().passed
    workload.close()


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_compute_what_one_process_does(ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", str(ranks), sys.executable, __file__], check=True, timeout=120)


@pytest.fixture
def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EagerMtlStep:
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    return EagerMtlStep(SMALL, MPI.COMM_SELF, "cpu")


def test_input_is_standardised_strains_and_labels_from_zero_to_one(eager: EagerMtlStep) -> None:
    assert eager.strains.shape == (23, 1080)
    assert eager.targets.shape == (23, 8)
    assert eager.strains.std().item() == pytest.approx(1, abs=0.3)
    assert 0 <= eager.targets.min() < 0.1
    assert 0.9 < eager.targets.max() <= 1


def test_training_lowers_the_loss_and_every_step_draws_its_own_dropout(eager: EagerMtlStep) -> None:
    eager.step()
    first_loss, first_keep = eager.loss.item(), eager.keep.clone()
    for _ in range(20):
        eager.step()
    assert eager.loss.item() < first_loss / 2
    assert not torch.equal(eager.keep, first_keep)
    figures = {figure.name: figure.value for figure in eager.figures(1.0)}
    assert figures == {"loss": eager.loss.item(), "steps": 21}


def test_check_sees_a_wrong_update(eager: EagerMtlStep) -> None:
    eager.step()
    assert eager.verify().passed
    eager.optimizer.param_groups[0]["weight_decay"] = 0.1
    assert not eager.verify().passed


@pytest.mark.parametrize("backend", [EagerMtlStep, FusedMtlStep])
def test_check_sees_a_gradient_that_is_slightly_wrong(eager: EagerMtlStep, backend: type[MtlStep]) -> None:
    workload = backend(SMALL, MPI.COMM_SELF, "cpu")
    workload.step()
    assert workload.verify().passed
    workload.gradients.exchange = lambda: workload.gradients.flat.mul_(1 + 3e-4)  # type: ignore[method-assign]
    assert not workload.verify().passed
    workload.close()


def test_counted_work_follows_the_batch(eager: EagerMtlStep) -> None:
    work = eager.work()
    assert (work.items, work.item, work.sent_bytes, work.messages) == (23, "sample", 0, 0)
    assert work.flops > 0
    assert work.memory_bytes > 10 * eager.gradients.flat.nbytes


def test_fused_step_equals_the_eager_one_with_its_running_statistics(eager: EagerMtlStep) -> None:
    fused = FusedMtlStep(SMALL, MPI.COMM_SELF, "cpu")
    with fused.telling_sides() as sides:
        fused.step()
    with taking_sides(eager.network, sides) as lacking:
        eager.step()
    assert largest(lacking) < 1e-5
    assert fused.loss.item() == pytest.approx(eager.loss.item(), rel=1e-5)
    assert relative_error(fused.gradients.flat, eager.gradients.flat) < 1e-5
    for (name, found), right in zip(fused.network.named_buffers(), eager.network.buffers(), strict=True):
        assert torch.allclose(found, right, rtol=1e-4, atol=1e-6), name
    assert fused.verify().passed
    fused.close()


def test_compiled_step_equals_the_eager_one(eager: EagerMtlStep) -> None:
    if reason := KERNEL.backend("compile").missing("cpu"):
        pytest.skip(reason)
    compiled = CompiledMtlStep(SMALL, MPI.COMM_SELF, "cpu")
    for workload in (eager, compiled):
        workload.step()
    assert torch.equal(compiled.keep, eager.keep)
    assert compiled.loss.item() == pytest.approx(eager.loss.item(), rel=1e-5)
    # which sides compiled code took is not known
    assert relative_error(compiled.gradients.flat, eager.gradients.flat) < compiled.tolerance()
    assert compiled.verify().passed
    compiled.close()


if __name__ == "__main__":
    check_gradient_over_ranks_is_that_of_one_process(MPI.COMM_WORLD)
    check_ranks_stay_equal_and_a_lost_part_is_seen(MPI.COMM_WORLD)
