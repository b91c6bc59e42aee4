"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from mpi4py import MPI
from torch import Tensor

from kernels.api import InputError
from kernels.communication.gradient_exchange import KERNEL, GradientExchangeParameters
from kernels.communication.gradient_workloads import GradientExchange

# three layers of 4 KiB, so that a bucket of 5 KiB takes two
SMALL = GradientExchangeParameters(layers=3, width=32, batch=12, bucket_bytes=5 << 10)
CLIPPINGS = ("none", "after", "before", "bucket")


def prepare(backend: str, comm: MPI.Comm, **changes: object) -> GradientExchange:
    workload = KERNEL.prepare(backend, msgspec.structs.replace(SMALL, **changes), comm)
    assert isinstance(workload, GradientExchange)
    return workload


def check_gradients(comm: MPI.Comm) -> None:
    for backend, clipping, overlap in itertools.product(("mpi", "gloo"), CLIPPINGS, (True, False)):
        workload = prepare(backend, comm, clipping=clipping, overlap=overlap)
        for _ in range(2):
            workload.step()
        check = workload.verify()
        assert check.passed, (backend, clipping, overlap, check)
        assert check.tolerance == 1e-5
        figures = {figure.name: figure.value for figure in workload.figures(1.0)}
        assert figures["buckets"] == 2
        norm = figures["gradient_norm"]
        assert isinstance(norm, float)
        assert norm > 1.5 if clipping == "none" else norm < 1 + 1e-6, (clipping, norm)
        # measuring silent steps leaves the answer and the exchange as they were
        assert workload.verify().passed
        workload.step()
        assert workload.verify().passed
        workload.close()


def check_what_sending_costs_is_exposed(comm: MPI.Comm) -> None:
    """Told apart from what every step costs, also where the timed steps were quick or slow as a whole."""
    workload = prepare("mpi", comm, overlap=False)
    start, lasts_s = workload.start, 0.02

    def start_late(values: Tensor) -> None:
        time.sleep(lasts_s)
        start(values)

    workload.start = start_late  # type: ignore[method-assign]
    for step_s in (1e-6, 1e6):
        figures = {figure.name: figure.value for figure in workload.figures(step_s)}
        exposed_s = figures["exposed_communication"]
        assert isinstance(exposed_s, float)
        sent = len(workload.buckets.parts) * (comm.size > 1)
        # a sleep is no shorter than asked for, and two steps differ by far less
        assert lasts_s * (sent - 0.5) < exposed_s < lasts_s * (sent + 5), figures
    workload.close()


def check_what_is_not_exchanged_or_not_clipped_is_seen(comm: MPI.Comm) -> None:
    workload = prepare("mpi", comm, clipping="bucket")
    workload.step()
    workload.buckets.parts[1] *= 1.0001
    assert not workload.verify().passed
    if comm.size > 1:
        workload.start = lambda values: None  # type: ignore[method-assign]
        workload.step()
        assert not workload.verify().passed


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_gradients_are_those_of_one_rank_in_higher_precision(ranks: int) -> None:
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", str(ranks), sys.executable, "-m", "mpi4py", __file__], check=True, timeout=120)


def test_uneven_shares_are_refused() -> None:
    with pytest.raises(InputError, match="batch: 10 samples are no equal shares of 4 ranks; right would be 12"):
        KERNEL.check(GradientExchangeParameters(batch=10), 4)


def test_work_of_one_rank() -> None:
    """Of two layers the second makes three products of 4 samples, the first two."""
    work = prepare("mpi", MPI.COMM_SELF, layers=2, batch=4).work()
    assert work.flops == 5 * 2 * 4 * 32**2
    assert work.memory_bytes == 7 * 2 * 32**2 * 4
    assert (work.items, work.sent_bytes, work.messages) == (4, 0, 0)


if __name__ == "__main__":
    check_gradients(MPI.COMM_WORLD)
    check_what_is_not_exchanged_or_not_clipped_is_seen(MPI.COMM_WORLD)
    check_what_sending_costs_is_exposed(MPI.COMM_WORLD)
