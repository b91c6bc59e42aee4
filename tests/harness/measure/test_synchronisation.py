"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from mpi4py import MPI

from harness.measure.sampling import Sampling, take_samples
from harness.measure.synchronisation import Barrier, Synchroniser, Window
from kernels.api import Check, Work, Workload

STEP_S = 2e-3


class Uneven(Workload):
    """Rank r spins for r + 1 times the step's time, alone; the last rank comes late to every ``late`` th step."""

    def __init__(self, comm: MPI.Comm, late: int = 0) -> None:
        super().__init__(None, comm, "cpu")
        self.late = late
        self.done = 0

    def before_step(self) -> None:
        self.done += 1
        if self.late and self.done % self.late == 0 and self.comm.rank == self.comm.size - 1:
            time.sleep(20 * STEP_S)

    def step(self) -> None:
        until_s = time.perf_counter() + STEP_S * (self.comm.rank + 1)
        while time.perf_counter() < until_s:
            pass

    def verify(self) -> Check:
        return Check(error=0.0, tolerance=0.0, reference="none")

    def work(self) -> Work:
        return Work(items=1, item="step")


class Compiled(Uneven):
    """Tells invented times, so that the way from times to samples is exact."""

    def time_steps(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
        began_ns = np.arange(count) * 1000 if starts_ns is None else starts_ns
        return np.stack([began_ns - 10, began_ns, began_ns + 100 * (self.comm.rank + 1)])


def check_a_sample_is_the_slowest_rank(comm: MPI.Comm, synchroniser: Synchroniser) -> None:
    samples = take_samples(Uneven(comm), comm, Sampling(budget_s=0.3, target=0.0), synchroniser)
    if samples is None:
        return
    counted = np.delete(samples.samples_s, samples.missed_window)
    # other processes may hold a rank up, but nothing makes it quicker
    assert np.min(counted) >= STEP_S * comm.size * 0.99
    assert (np.array(samples.rank_median_s) >= STEP_S * (1 + np.arange(comm.size))).all()
    assert (samples.window is None) == (synchroniser.name == "barrier")


def check_late_ranks_are_flagged(comm: MPI.Comm, window: Window) -> None:
    workload = Uneven(comm, late=4)
    samples = take_samples(workload, comm, Sampling(budget_s=0.5, target=0.0), window)
    if samples is not None:
        assert len(samples.samples_s) / 8 <= len(samples.missed_window) < len(samples.samples_s)
        assert samples.missed_window == sorted(set(samples.missed_window))
        assert samples.window is not None
        assert [clock.offset_s for clock in samples.window.clocks] == pytest.approx([0] * comm.size, abs=1e-5)


def check_compiled_times_become_samples(comm: MPI.Comm, synchroniser: Synchroniser) -> None:
    chunk = synchroniser.run(Compiled(comm), 45)
    assert (chunk is None) == (comm.rank > 0)
    if chunk is not None:
        # rank clocks differ by what their models say, which on one machine is a small part of a microsecond
        np.testing.assert_allclose(chunk.samples_s, comm.size * 1e-7, atol=5e-6)
        np.testing.assert_allclose(chunk.rank_times_s, np.tile(1e-7 * (1 + np.arange(comm.size)), (45, 1)))
        assert not chunk.missed.any()


def check_nothing_but_missed_windows_is_an_error(comm: MPI.Comm, window: Window) -> None:
    class Late(Compiled):
        def time_steps(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
            return super().time_steps(count, None if starts_ns is None else starts_ns + 1_000_000)

    with pytest.raises(RuntimeError, match="samples missed their window"):
        take_samples(Late(comm), comm, Sampling(budget_s=0.05), window)


@pytest.mark.parametrize("ranks", [1, 2])
def test_steps_start_together_or_are_flagged(on_ranks: Callable[[str, int], None], ranks: int) -> None:
    on_ranks(__file__, ranks)


if __name__ == "__main__":
    world = MPI.COMM_WORLD
    windows = Window(world)
    for each in (Barrier(world), windows):
        check_a_sample_is_the_slowest_rank(world, each)
        check_compiled_times_become_samples(world, each)
    check_late_ranks_are_flagged(world, windows)
    check_nothing_but_missed_windows_is_an_error(world, windows)
