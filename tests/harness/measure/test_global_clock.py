"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import pytest
from mpi4py import MPI

from harness.measure.global_clock import GlobalClock

# a clock of another machine: hours away, and quicker by more than any crystal
OFFSET_NS, DRIFT = 12_345_678_901_234, 1e-4


def check_clocks_that_differ_become_one(comm: MPI.Comm) -> None:
    """Ranks of one machine share a clock, so the truth is known; each reads it as a wrong one."""
    start_ns = time.perf_counter_ns()

    def read_wrongly() -> int:
        elapsed_ns = time.perf_counter_ns() - start_ns
        return start_ns + elapsed_ns + comm.rank * (OFFSET_NS + int(DRIFT * elapsed_ns))

    start_ns = comm.bcast(start_ns)
    clock = GlobalClock(comm, read_wrongly)
    for _ in range(10):
        clock.refresh()
    time.sleep(0.1)
    errors_ns = []
    for _ in range(20):
        before_ns = time.perf_counter_ns()
        global_ns = clock.now()
        errors_ns.append(abs(global_ns - (before_ns + time.perf_counter_ns()) // 2))
    model = clock.take_model()
    if comm.size <= len(os.sched_getaffinity(0)):
        # a wrong sign or a forgotten drift is off by 10 us and more; a busy machine's exchanges by a few
        assert np.median(errors_ns) < 8_000, errors_ns
        assert model.drift == pytest.approx(comm.rank * DRIFT, abs=3e-5)
    else:
        # ranks that share cores wait for time slices; that a rank learns from one which has learnt itself shows still
        assert np.median(errors_ns) < 50_000_000, errors_ns
    local_ns = read_wrongly() + np.arange(0, 10**10, 10**9)
    assert np.abs(clock.to_local(clock.to_global(local_ns)) - local_ns).max() <= 2
    assert (model.round_trip_s > 0) == (model.error_s > 0) == (comm.rank > 0)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_clocks_that_differ_become_one(on_ranks: Callable[[str, int], None], ranks: int) -> None:
    on_ranks(__file__, ranks)


if __name__ == "__main__":
    check_clocks_that_differ_become_one(MPI.COMM_WORLD)
