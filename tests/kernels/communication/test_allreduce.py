"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpi4py import MPI

from kernels.api import InputError, parse_parameters
from kernels.communication.allreduce import (
    KERNEL,
    Allreduce,
    AllreduceParameters,
    draw_block,
    optimal_traffic,
)
from kernels.communication.allreduce_compiled import count_together
from kernels.communication.schedules import count, rabenseifner, recursive_doubling, ring

# one element, a few, and more than two blocks of the random streams
ELEMENTS = (1, 3, 140_003)
COMPILED = ("mpi", "ring", "recursive-doubling", "rabenseifner", "hierarchical", "shared-memory", "tuned")


def check_sums(comm: MPI.Comm, dtype: str) -> None:
    size = np.dtype(dtype).itemsize
    for elements in ELEMENTS:
        parameters = AllreduceParameters(message_bytes=elements * size, dtype=dtype, seed=elements)
        for backend in (*COMPILED, "mpi4py", "gloo"):
            workload = KERNEL.prepare(backend, parameters, comm)
            for _ in range(2):
                workload.step()
            check = workload.verify()
            assert check.passed, (backend, dtype, elements, check)
            expected = np.sum(comm.allgather(workload.sent), axis=0, dtype=np.float64)
            np.testing.assert_allclose(workload.answer(), expected, rtol=0, atol=40 * np.finfo(dtype).eps)
            workload.close()


def check_a_wrong_answer_is_seen_on_all_ranks(comm: MPI.Comm) -> None:
    """Wrong by a few roundings in the last element of one rank, or not a number."""
    parameters = AllreduceParameters(message_bytes=8 * ELEMENTS[-1], dtype="float64")
    workload = KERNEL.prepare("mpi4py", parameters, comm)
    assert isinstance(workload, Allreduce)
    magnitude = sum(abs(draw_block(parameters, rank, 2)[-1]) for rank in range(comm.size))
    for wrong in (4 * comm.size * np.finfo(np.float64).eps * magnitude, np.nan):
        workload.step()
        assert workload.verify().passed
        if comm.rank == comm.size - 1:
            workload.received[-1] += wrong
        assert not workload.verify().passed


def check_compiled_steps_are_done_and_timed(comm: MPI.Comm) -> None:
    """The sum is in the very buffer that `verify` looks at, and the times tell of waiting and of the call apart."""
    # every loop there is: all schedules run in the ring's
    for backend in ("mpi", "ring", "shared-memory", "tuned"):
        check_compiled_steps(comm, backend)


def check_compiled_steps(comm: MPI.Comm, backend: str) -> None:
    parameters = AllreduceParameters(message_bytes=8 * ELEMENTS[-1], dtype="float64")
    workload = KERNEL.prepare(backend, parameters, comm)
    assert isinstance(workload, Allreduce)
    opens_ns = time.perf_counter_ns() + 5_000_000 * np.arange(4)
    for starts_ns in (None, opens_ns):
        workload.received[:] = np.nan
        called_ns = time.perf_counter_ns()
        times_ns = workload.time_steps(4, starts_ns)
        assert times_ns is not None
        assert workload.verify().passed
        # ready, began, ended, ready for the next, ...
        assert (np.diff(times_ns.T.ravel(), prepend=called_ns, append=time.perf_counter_ns()) >= 0).all()
        assert starts_ns is None or (times_ns[1] >= starts_ns).all()
    workload.received[-1] = np.nan
    assert not workload.verify().passed
    workload.step()
    assert workload.verify().passed
    workload.close()


def check_own_costs_are_told(comm: MPI.Comm) -> None:
    """The ring's, and that the choice of `tuned` is one of the others, the same on all ranks."""
    parameters = AllreduceParameters(message_bytes=840 * 8, dtype="float64")
    parts = (comm.size - 1) / comm.size
    figures = {figure.name: figure.value for figure in KERNEL.prepare("ring", parameters, comm).figures(1e-6)}
    assert figures["messages"] == 2 * (comm.size - 1)
    assert figures["sent_bytes"] == 2 * parts * 840 * 8
    assert figures["additions"] == parts * 840
    tuned = KERNEL.prepare("tuned", parameters, comm)
    figures = {figure.name: figure.value for figure in tuned.figures(1e-6)}
    assert next(iter(figures)) == "algorithm"
    assert figures["algorithm"] in COMPILED[1:-1]
    # memory that is shared has no segments of messages
    assert ("segment" in figures) == (figures["algorithm"] != "shared-memory")
    assert len(set(comm.allgather((figures["algorithm"], figures.get("segment"))))) == 1
    tuned.close()


def check_ranks_count_what_one_process_counts(comm: MPI.Comm) -> None:
    everyone = range(comm.size)
    for elements in ELEMENTS[:2]:
        for algorithm in (ring, recursive_doubling, rabenseifner):
            schedules = [algorithm(everyone, rank, elements) for rank in everyone]
            assert count_together(schedules[comm.rank], comm) == count(schedules), (algorithm.__name__, elements)


def check_all(comm: MPI.Comm) -> None:
    check_sums(comm, "float32")
    # what differs is compiled code, on however many ranks
    if comm.size < 5:
        check_sums(comm, "float64")
    check_a_wrong_answer_is_seen_on_all_ranks(comm)
    check_compiled_steps_are_done_and_timed(comm)
    check_ranks_count_what_one_process_counts(comm)
    check_own_costs_are_told(comm)


def test_ranks_agree_with_the_sum_in_higher_precision() -> None:
    """On one rank, on five and on pairs of them; one compiles for all, who would otherwise do so at once."""
    check_all(MPI.COMM_SELF)
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", "5", sys.executable, "-m", "mpi4py", __file__], check=True, timeout=120)


def test_inputs_differ_between_ranks_blocks_and_seeds_and_come_again() -> None:
    parameters = AllreduceParameters(message_bytes=1 << 20)
    first = draw_block(parameters, 0, 0)
    assert first.dtype == np.float32
    assert abs(first.std() - 1) < 0.02
    np.testing.assert_array_equal(first, draw_block(parameters, 0, 0))
    others = [(parameters, 1, 0), (parameters, 0, 1), (AllreduceParameters(message_bytes=1 << 20, seed=1), 0, 0)]
    assert all(np.abs(first - draw_block(*other)).mean() > 1 for other in others)


@given(st.integers(1, 1 << 40), st.integers(1, 5000))
def test_optimal_traffic_is_that_of_reduce_scatter_and_allgather(message_bytes: int, ranks: int) -> None:
    sent_bytes, messages = optimal_traffic(message_bytes, ranks)
    assert sent_bytes == pytest.approx(2 * (message_bytes - message_bytes / ranks), abs=1e-3)
    assert 2**messages >= ranks > 2**messages / 2


def test_work_and_figures_of_one_rank_are_a_copy() -> None:
    workload = KERNEL.prepare("mpi4py", AllreduceParameters(message_bytes=4096))
    work = workload.work()
    assert (work.items, work.item, work.flops, work.sent_bytes, work.messages) == (4096, "byte", 0, 0, 0)
    assert work.memory_bytes == 8192
    figures = {figure.name: figure.value for figure in workload.figures(2e-6)}
    assert figures == pytest.approx({"latency_s": 2e-6, "algorithm_bandwidth": 2.048e9, "bus_bandwidth": 0})


@pytest.mark.parametrize(("dtype", "found", "right"), [("float64", 12, 16), ("float32", 5, 8)])
def test_half_an_element_is_refused(dtype: str, found: int, right: int) -> None:
    with pytest.raises(InputError, match=f"message_bytes: {found} is no multiple.*would be {right}$"):
        KERNEL.prepare("mpi4py", AllreduceParameters(message_bytes=found, dtype=dtype))


@pytest.mark.parametrize("values", [{"message_bytes": "0"}, {"dtype": "float16"}, {"seed": "-1"}])
def test_values_out_of_range_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        parse_parameters(KERNEL, values)


def test_backends_say_where_they_sum() -> None:
    missing = {name: backend.missing for name, backend in KERNEL.backends.items()}
    assert missing["mpi4py"]("cpu") is None
    assert missing["mpi"]("cpu") is None
    assert missing["gloo"]("cpu") is None
    assert "CPU" in (missing["gloo"]("cuda") or "")
    assert "GPU" in (missing["nccl"]("cpu") or "")


@pytest.mark.skipif(importlib.util.find_spec("horovod") is not None, reason="this machine has what would be missing")
def test_missing_horovod_is_told_in_a_sentence() -> None:
    assert "nox -s horovod" in (KERNEL.backends["horovod"].missing("cpu") or "")


if __name__ == "__main__":
    for comm in (MPI.COMM_WORLD, MPI.COMM_WORLD.Split(MPI.COMM_WORLD.rank // 2)):
        check_all(comm)
