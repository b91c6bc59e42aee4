"""Sampling: how many steps to take, and when there are enough."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Struct

from harness.measure.clock import now_ns
from harness.measure.synchronisation import Chunk, Synchroniser, join
from harness.statistics import effective_samples, relative_half_width
from harness.store.record import Stopping, Window
from kernels.api import Workload

# the ranks agree on stopping only between chunks of about this length, so that agreeing does not disturb the samples
_CHUNK_S = 0.05
_FEWEST_SAMPLES = 10
# nvbench's least time, of which a smaller budget takes a share: some quick steps all fall between two disturbances
_LEAST_S = 0.5
_LEAST_SHARE = 0.2
_MOST_SAMPLES = 20_000
# times of single ranks that are kept: as JSON they take some 80 MB
_MOST_RANK_TIMES = 4_000_000
_FEWEST_WARMUPS = 2
_MOST_WARMUPS = 200
# a step this long, such as a whole training, is warm before it ends
_WARM_AFTER_S = 30.0


class Sampling(Struct, frozen=True, kw_only=True):
    """What the stopping rule goes by: sampling time in seconds, and the relative half interval that is enough."""

    budget_s: float = 1.0
    target: float = 0.02

    @property
    def least_s(self) -> float:
        """Seconds of sampling before which no interval is narrow enough."""
        return min(_LEAST_S, _LEAST_SHARE * self.budget_s)


class Samples(Struct, frozen=True, kw_only=True):
    """Seconds, on rank 0 only: every sample, the places of those that do not count, and what each rank took."""

    samples_s: list[float]
    missed_window: list[int]
    warmup_s: list[float]
    rank_median_s: list[float]
    rank_samples_s: list[list[float]]
    stopping: Stopping
    window: Window | None


def take_samples(workload: Workload, comm: Any, sampling: Sampling, synchroniser: Synchroniser) -> Samples | None:
    """Warm up, then sample until the median is known well enough or the budget ends. All ranks call it together.

    Returns the samples on rank 0 and None elsewhere. Every sample is kept; warm-up is kept apart. Raises RuntimeError
    when no sample counts, because every one missed its window.
    """
    warmup_s = _warm_up(workload, comm, sampling, synchroniser)
    done: Chunk | None = None
    started_ns = now_ns()
    taken, count = 0, 1
    stopping = None
    while stopping is None:
        chunk = synchroniser.run(workload, count)
        taken += count
        decision: tuple[Stopping | None, int] = (None, 0)
        if chunk is not None:
            done = chunk if done is None else join([done, chunk])
            elapsed_s = (now_ns() - started_ns) * 1e-9
            decision = (_decide(done, elapsed_s, sampling), _next_count(taken, elapsed_s, sampling))
        stopping, count = comm.bcast(decision)
    window = synchroniser.take_window()
    samples = _summarise(done, warmup_s, stopping, window) if done is not None else None
    if not comm.bcast(samples is None or len(samples.missed_window) < taken):
        raise RuntimeError(f"all {taken} samples missed their window; fewer ranks or a barrier would be right")
    return samples


def _summarise(chunk: Chunk, warmup_s: list[float], stopping: Stopping, window: Window | None) -> Samples:
    counted_s = chunk.rank_times_s[~chunk.missed]
    steps, ranks = chunk.rank_times_s.shape
    # every so many steps, of as many ranks as there are
    stride = -(-steps * ranks // _MOST_RANK_TIMES)
    return Samples(
        samples_s=chunk.samples_s.tolist(),
        missed_window=np.flatnonzero(chunk.missed).tolist(),
        warmup_s=warmup_s,
        rank_median_s=np.median(counted_s, axis=0).tolist() if len(counted_s) else [],
        # alone a rank's times are the samples
        rank_samples_s=chunk.rank_times_s[::stride].T.tolist() if ranks > 1 else [],
        stopping=stopping,
        window=window,
    )


def _warm_up(workload: Workload, comm: Any, sampling: Sampling, synchroniser: Synchroniser) -> list[float]:
    """Steps until caches, clocks and allocators have settled: a tenth of the budget, and two unless one is long."""
    warmup_s: list[float] = []
    enough = False
    while not enough:
        chunk = synchroniser.warm_up(workload)
        warmup_s += chunk.samples_s.tolist() if chunk is not None else []
        settled = sum(warmup_s) > sampling.budget_s / 10 or len(warmup_s) >= _MOST_WARMUPS
        several = len(warmup_s) >= _FEWEST_WARMUPS or sum(warmup_s) > _WARM_AFTER_S
        enough = comm.bcast(settled and several)
    return warmup_s


def _decide(chunk: Chunk, elapsed_s: float, sampling: Sampling) -> Stopping | None:
    """The stopping rule of Hoefler and Belli (SC15, 4.2.2): until the median's interval is within the target.

    The least number of samples and the least time are nvbench's. The condition that was not met is told by name; a
    comparison with another result never stops sampling.
    """
    samples_s = chunk.samples_s[~chunk.missed]
    is_over = len(chunk.samples_s) >= _MOST_SAMPLES or elapsed_s >= sampling.budget_s
    if _unmet(len(samples_s), elapsed_s, relative_half_width(samples_s), sampling) and not is_over:
        return None
    # only now, for it costs more: the interval as tables show it, wider where samples depend on one another
    width = relative_half_width(samples_s, effective_samples(samples_s))
    unmet = _unmet(len(samples_s), elapsed_s, width, sampling)
    reason: Literal["converged", "budget", "most_samples"]
    if not unmet:
        reason = "converged"
    elif len(chunk.samples_s) >= _MOST_SAMPLES:
        reason = "most_samples"
    elif elapsed_s >= sampling.budget_s:
        reason = "budget"
    else:
        return None
    return Stopping(
        reason=reason,
        relative_interval=width,
        target=sampling.target,
        budget_s=sampling.budget_s,
        least_samples=_FEWEST_SAMPLES,
        least_s=sampling.least_s,
        unmet=unmet,
    )


def _unmet(samples: int, elapsed_s: float, width: float | None, sampling: Sampling) -> str:
    """The first condition of a converged median that does not hold; empty when all do."""
    if samples < _FEWEST_SAMPLES:
        return f"fewer than {_FEWEST_SAMPLES} samples"
    if elapsed_s < sampling.least_s:
        return f"less than {sampling.least_s:g} s of sampling"
    if width is None:
        return "too few samples are independent of one another"
    return "the median's interval is still too wide" if width > sampling.target else ""


def _next_count(taken: int, elapsed_s: float, sampling: Sampling) -> int:
    """How many steps the next chunk takes: about the chunk's length, and never past the budget."""
    per_step_s = max(elapsed_s / taken, 1e-7)
    length_s = min(_CHUNK_S, max(sampling.budget_s - elapsed_s, 0.0))
    return int(min(max(length_s / per_step_s, 1), _MOST_SAMPLES - taken, 2 * taken)) or 1
