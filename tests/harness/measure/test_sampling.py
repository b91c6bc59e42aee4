from __future__ import annotations

import numpy as np
import pytest
from mpi4py import MPI

from harness import statistics
from harness.measure import sampling, synchronisation
from harness.measure.sampling import Sampling, take_samples
from harness.measure.synchronisation import Barrier
from harness.store.record import Stopping
from kernels.api import Check, Work, Workload


class Clock:
    """A clock that only steps move, so that no other process changes what the rules see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ns = 0
        for module in (sampling, synchronisation):
            monkeypatch.setattr(module, "now_ns", lambda: self.ns)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Sleeper(Workload):
    """Each step takes the next of its times (seconds), the last for ever."""

    def __init__(self, times_s: list[float], clock: Clock) -> None:
        super().__init__(None, MPI.COMM_SELF, "cpu")
        self.times_s = times_s
        self.clock = clock
        self.calls: list[str] = []

    def before_step(self) -> None:
        self.calls.append("before")

    def step(self) -> None:
        self.calls.append("step")
        self.clock.ns += round(1e9 * self.times_s[min(len(self.calls) // 2 - 1, len(self.times_s) - 1)])

    def verify(self) -> Check:
        return Check(error=0.0, tolerance=0.0, reference="none")

    def work(self) -> Work:
        return Work(items=1, item="nap")


def sample(clock: Clock, times_s: list[float], budget_s: float, target: float = 0.02):
    workload = Sleeper(times_s, clock)
    samples = take_samples(workload, MPI.COMM_SELF, Sampling(budget_s=budget_s, target=target), Barrier(MPI.COMM_SELF))
    assert samples is not None
    return workload, samples


def test_steady_steps_stop_early_and_every_step_is_kept(clock: Clock) -> None:
    workload, samples = sample(clock, [2e-3], budget_s=10)
    assert samples.stopping.reason == "converged"
    assert samples.stopping.unmet == ""
    # not before half a second, and hardly later
    assert 0.5 <= sum(samples.samples_s) < 0.6
    assert workload.calls.count("step") == len(samples.samples_s) + len(samples.warmup_s)
    assert samples.samples_s == pytest.approx([2e-3] * len(samples.samples_s))


def test_quick_steps_are_sampled_for_a_while_however_alike_the_first_are(clock: Clock) -> None:
    _, samples = sample(clock, [1e-4], budget_s=2, target=0.5)
    assert samples.stopping.reason == "converged"
    assert (samples.stopping.least_samples, samples.stopping.least_s) == (10, 0.4)
    # ten of them would take a thousandth of a second
    assert 0.4 <= sum(samples.samples_s) < 0.5


def test_too_short_a_sampling_is_told(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_MOST_SAMPLES", 20)
    _, samples = sample(clock, [1e-4], budget_s=2, target=0.5)
    assert samples.stopping.reason == "most_samples"
    assert samples.stopping.unmet == "less than 0.4 s of sampling"


def test_restless_steps_use_the_budget_and_the_record_says_what_was_not_met(clock: Clock) -> None:
    times_s = list(np.random.default_rng(1).uniform(1e-4, 4e-3, 1000))
    _, samples = sample(clock, times_s, budget_s=0.2)
    assert samples.stopping.reason == "budget"
    assert "too wide" in samples.stopping.unmet
    assert 0.2 <= sum(samples.samples_s) < 0.3


def test_samples_that_depend_on_one_another_converge_later_as_their_interval_is_wider(clock: Clock) -> None:
    generator = np.random.default_rng(2)
    alone = generator.normal(2e-3, 2e-4, 4000)
    repeated = np.repeat(generator.normal(2e-3, 2e-4, 400), 10)
    _, independent = sample(clock, alone.tolist(), budget_s=8)
    _, dependent = sample(clock, repeated.tolist(), budget_s=8)
    assert (independent.stopping.reason, dependent.stopping.reason) == ("converged", "converged")
    assert len(dependent.samples_s) > 3 * len(independent.samples_s)
    timing = statistics.median_interval(dependent.samples_s, statistics.effective_samples(dependent.samples_s))
    assert (timing[1] - timing[0]) / 2 / np.median(dependent.samples_s) <= 0.02


def test_every_ranks_own_times_are_kept_and_of_very_many_every_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    times_s = np.arange(30.0).reshape(10, 3)
    chunk = synchronisation.Chunk(times_s.max(axis=1), times_s, np.zeros(10, dtype=bool))
    stopping = Stopping(reason="converged", relative_interval=None, target=0.02, budget_s=1.0)
    assert sampling._summarise(chunk, [], stopping, None).rank_samples_s == times_s.T.tolist()
    monkeypatch.setattr(sampling, "_MOST_RANK_TIMES", 12)
    kept = sampling._summarise(chunk, [], stopping, None)
    assert kept.rank_samples_s == times_s[::3].T.tolist()
    assert len(kept.samples_s) == 10


def test_slow_first_steps_stay_in_the_warm_up(clock: Clock) -> None:
    _, samples = sample(clock, [0.05, 0.05, 1e-3], budget_s=0.3)
    assert samples.warmup_s[:2] == pytest.approx([0.05, 0.05])
    assert samples.samples_s == pytest.approx([1e-3] * len(samples.samples_s))


def test_a_step_as_long_as_a_training_warms_up_once(clock: Clock) -> None:
    _, samples = sample(clock, [60.0, 59.0], budget_s=1.0)
    assert samples.warmup_s == pytest.approx([60.0])
    assert samples.samples_s == pytest.approx([59.0])


def test_the_machine_is_put_in_order_before_each_step_outside_the_clock(clock: Clock) -> None:
    workload, _ = sample(clock, [1e-4], budget_s=0.02)
    assert workload.calls == ["before", "step"] * (len(workload.calls) // 2)
