"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from mpi4py import MPI

from kernels.communication.sparse_allreduce import KERNEL, SparseAllreduce, SparseAllreduceParameters, draw_indices

# sparse throughout, turning dense on the way, dense at once, a single pair, fewer elements than ranks
CASES = (
    SparseAllreduceParameters(elements=5000, density=0.01),
    SparseAllreduceParameters(elements=5000, density=0.3),
    SparseAllreduceParameters(elements=501, density=1.0),
    SparseAllreduceParameters(elements=700, density=0.0001, overlap=1.0),
    SparseAllreduceParameters(elements=3, density=0.3),
    SparseAllreduceParameters(elements=5000, density=0.1, distribution="zipf", overlap=0.5),
)


def check_sums(comm: MPI.Comm) -> None:
    for parameters in CASES:
        for backend in KERNEL.backends:
            workload = KERNEL.prepare(backend, parameters, comm)
            assert isinstance(workload, SparseAllreduce)
            for _ in range(2):
                workload.step()
            check = workload.verify()
            assert check.passed, (backend, parameters, check)
            left_as = {figure.name: figure.value for figure in workload.figures(1.0)}["left_as"]
            assert len(set(comm.allgather(left_as))) == 1
            if comm.size > 1 and backend != "dense":
                dense = 2 * workload.union >= parameters.elements
                assert left_as == ("dense" if dense else "pairs"), (backend, parameters)


def check_a_wrong_answer_is_seen_on_all_ranks(comm: MPI.Comm) -> None:
    workload = KERNEL.prepare("split-allgather", CASES[0], comm)
    assert isinstance(workload, SparseAllreduce)
    workload.step()
    if comm.rank == comm.size - 1:
        workload.result = workload.result[:-1]
    assert not workload.verify().passed


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_sparse_sums_are_the_dense_sum(ranks: int) -> None:
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", str(ranks), sys.executable, "-m", "mpi4py", __file__], check=True, timeout=120)


@pytest.mark.parametrize("distribution", ["uniform", "zipf"])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 1.0])
def test_ranks_share_at_least_the_overlap(distribution: str, overlap: float) -> None:
    parameters = SparseAllreduceParameters(
        elements=20_000, density=0.02, distribution=distribution, overlap=overlap, seed=3
    )
    first, second = draw_indices(parameters, 0), draw_indices(parameters, 1)
    for indices in (first, second):
        assert len(indices) == len(set(indices)) == 400
        assert (np.diff(indices) > 0).all()
    met = len(np.intersect1d(first, second))
    assert met >= 400 * overlap
    if distribution == "uniform":
        # by chance some 400 (1 - overlap) * 0.02 more
        assert met <= 400 * overlap + 30
    np.testing.assert_array_equal(first, draw_indices(parameters, 0))


def test_low_indices_are_likelier_by_zipfs_law() -> None:
    """A single draw is below m with probability H_m / H_N: of 10 000, index 0 to 99 hold 0.53."""
    one = SparseAllreduceParameters(elements=10_000, density=1e-4, distribution="zipf")
    draws = [draw_indices(msgspec.structs.replace(one, seed=seed), 0)[0] for seed in range(400)]
    share = np.mean(np.array(draws) < 100)
    assert abs(share - 0.53) < 4 * 0.025


def test_work_of_two_ranks_that_share_nothing_is_to_swap_their_pairs() -> None:
    workload = KERNEL.prepare("dense", SparseAllreduceParameters(elements=1000, density=0.1))
    assert isinstance(workload, SparseAllreduce)
    assert (workload.union, workload.work().flops, workload.work().sent_bytes) == (100, 0, 0)
    assert workload.work().memory_bytes == 2 * 800


if __name__ == "__main__":
    check_sums(MPI.COMM_WORLD)
    check_a_wrong_answer_is_seen_on_all_ranks(MPI.COMM_WORLD)
