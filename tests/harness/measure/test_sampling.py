from __future__ import annotations

import time

import numpy as np
import pytest
from mpi4py import MPI

from harness.measure.sampling import Sampling, take_samples
from harness.measure.synchronisation import Barrier
from kernels.api import Check, Work, Workload


class Sleeper(Workload):
    """Each step sleeps for the next of its times (seconds), the last for ever."""

    def __init__(self, times_s: list[float]) -> None:
        super().__init__(None, MPI.COMM_SELF, "cpu")
        self.times_s = times_s
        self.calls: list[str] = []

    def before_step(self) -> None:
        self.calls.append("before")

    def step(self) -> None:
        self.calls.append("step")
        until_s = time.perf_counter() + self.times_s[min(len(self.calls) // 2 - 1, len(self.times_s) - 1)]
        while time.perf_counter() < until_s:
            pass

    def verify(self) -> Check:
        return Check(error=0.0, tolerance=0.0, reference="none")

    def work(self) -> Work:
        return Work(items=1, item="nap")


def sample(times_s: list[float], budget_s: float, target: float = 0.02):
    workload = Sleeper(times_s)
    samples = take_samples(workload, MPI.COMM_SELF, Sampling(budget_s=budget_s, target=target), Barrier(MPI.COMM_SELF))
    assert samples is not None
    return workload, samples


def test_steady_steps_stop_early_and_every_step_is_kept() -> None:
    workload, samples = sample([2e-3], budget_s=10, target=0.05)
    assert samples.stopping.reason == "converged"
    assert samples.stopping.unmet == ""
    assert sum(samples.samples_s) < 5
    assert workload.calls.count("step") == len(samples.samples_s) + len(samples.warmup_s)
    assert np.median(samples.samples_s) == pytest.approx(2e-3, rel=0.2)


def test_restless_steps_use_the_budget_and_the_record_says_what_was_not_met() -> None:
    times_s = list(np.random.default_rng(1).uniform(1e-4, 4e-3, 1000))
    _, samples = sample(times_s, budget_s=0.2)
    assert samples.stopping.reason == "budget"
    assert "too wide" in samples.stopping.unmet
    assert 0.15 < sum(samples.samples_s) < 0.4


def test_slow_first_steps_stay_in_the_warm_up() -> None:
    _, samples = sample([0.05, 0.05, 1e-3], budget_s=0.3)
    assert samples.warmup_s[:2] == pytest.approx([0.05, 0.05], rel=0.3)
    assert max(samples.samples_s) < 0.03


def test_the_machine_is_put_in_order_before_each_step_outside_the_clock() -> None:
    workload, _ = sample([1e-4], budget_s=0.02)
    assert workload.calls == ["before", "step"] * (len(workload.calls) // 2)
