"""What a sweep's samples themselves say: whether they vary, depend on one another, and may be brought together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from harness import statistics
from harness.analyse.distribution import SampledRun
from harness.analyse.scaling import TableRow
from harness.case import CASE_COLUMNS, Synchronisation
from harness.store.read import newest, sound
from harness.store.record import RowKey
from harness.store.results import open_results

# ranks differ below this chance of being alike
_RANKS_DIFFER = 0.05
# case id and run id
_Place = tuple[str, str]


class RankedRun(SampledRun, frozen=True, kw_only=True, gc=False):
    """A run with every rank's own times, seconds, of every step or every k-th one; records of old have none."""

    rank_samples_s: tuple[list[float], ...] = ()


class SampleRow(Struct, frozen=True, kw_only=True):
    """The samples of one case in one stack. The fields are the columns that programs read; SI units.

    ``converged`` counts the launches whose own interval became narrow enough. ``autocorrelation`` is between samples
    that follow one another, the median over launches, and ``effective_samples`` what all samples count as. ``cv`` is
    the coefficient of variation of all samples, ``launch_cv`` that of the launches' medians. ``launches_p`` and
    ``ranks_p`` are the chances that launches, or ranks, as different as these are alike (Kruskal and Wallis), the
    effect sizes the shares of the variance between them, ``imbalance`` the slowest rank's time over the mean rank's,
    ``normality_p`` the chance that logarithms of launch medians as far from normal as these are normal (Shapiro and
    Wilk). ``missed_windows`` is the share of steps that did not count. ``bootstrap_low_s`` and ``bootstrap_high_s``
    enclose the median without supposing that they are.
    """

    sweep: str
    case_id: str
    kernel: str
    backend: str
    parameters: dict[str, Any]
    nodes: int
    ranks: int
    threads: int
    device: str
    stack: str
    launches: int
    converged: int
    samples: int
    effective_samples: float
    autocorrelation: float
    cv: float | None
    launch_cv: float | None
    launches_p: float | None = None
    launches_effect: float | None = None
    ranks_p: float | None = None
    ranks_effect: float | None = None
    imbalance: float | None = None
    normality_p: float | None = None
    median_s: float | None
    low_s: float | None
    high_s: float | None
    bootstrap_low_s: float
    bootstrap_high_s: float
    synchronisation: Synchronisation = "barrier"
    missed_windows: float | None = None

    @property
    def remarks(self) -> list[str]:
        """What a reader of the case's interval should know, in sentences."""
        remarks = []
        if self.effective_samples < self.samples / 2:
            remarks.append(f"{self.samples:,} samples tell as much as {self.effective_samples:,.0f} independent ones")
        if self.normality_p is not None and self.normality_p < statistics.NOT_NORMAL:
            remarks.append("launches are not log-normal: trust the bootstrap interval rather than one by Student's t")
        if self.missed_windows:
            remarks.append(f"{100 * self.missed_windows:.2g} % of the steps missed their window; they do not count")
        if self.ranks_p is not None and self.ranks_p < _RANKS_DIFFER:
            remarks.append("ranks differ: they are not to be pooled")
        return remarks


def examine_sweep(results: Path, sweep: str, rows: Sequence[TableRow], damages: list[Any]) -> list[SampleRow]:
    """The samples behind the rows of a sweep's table, in their order; cases without results are left out.

    What is no record comes to ``damages``.
    """
    rank_times_s: dict[_Place, np.ndarray] = {}
    found: dict[RowKey, list[SampledRun]] = defaultdict(list)
    scanned = open_results(results).scan(sweep, RankedRun)
    for run in newest(_without_rank_times(run, rank_times_s) for run in sound(scanned, damages)):
        if run.status == "ok":
            found[run.row_key].append(run)
    return [_examine(row, found[row.key], rank_times_s) for row in rows if row.key in found]


def _without_rank_times(run: RankedRun, rank_times_s: dict[_Place, np.ndarray]) -> SampledRun:
    """The run, and those of its ranks' own times that count put aside: as lists they would take ten times as much."""
    steps = min(map(len, run.rank_samples_s), default=0)
    if steps:
        stride = -(-(len(run.samples_s) + len(run.missed_window)) // steps)
        counts = ~np.isin(np.arange(steps) * stride, run.missed_window)
        times_s = np.array([times_s[:steps] for times_s in run.rank_samples_s], dtype=np.float32)
        rank_times_s[run.case.id, run.run_id] = times_s[:, counts]
    return msgspec.structs.replace(run, rank_samples_s=())


def _examine(row: TableRow, runs: Sequence[SampledRun], rank_times_s: dict[_Place, np.ndarray]) -> SampleRow:
    launches = [np.asarray(run.samples_s) for run in runs]
    medians_s = [float(np.median(values)) for values in launches]
    logs = np.log(medians_s) if min(medians_s) > 0 else np.empty(0)
    between = statistics.kruskal_wallis(launches)
    ranks = _ranks_test([rank_times_s.get((run.case.id, run.run_id)) for run in runs], runs)
    low_s, high_s = statistics.bootstrap_interval(launches, np.random.default_rng(0))
    return SampleRow(
        sweep=row.sweep,
        **{name: getattr(row, name) for name in CASE_COLUMNS},
        stack=row.stack,
        launches=len(runs),
        converged=sum(run.stopping is not None and run.stopping.reason == "converged" for run in runs),
        samples=sum(map(len, launches)),
        effective_samples=sum(map(statistics.effective_samples, launches)),
        autocorrelation=float(np.median([statistics.lag1_autocorrelation(values) for values in launches])),
        cv=row.cv,
        launch_cv=statistics.coefficient_of_variation(medians_s),
        launches_p=between.p_value if between else None,
        launches_effect=between.effect_size if between else None,
        ranks_p=ranks.p_value if ranks else None,
        ranks_effect=ranks.effect_size if ranks else None,
        imbalance=_imbalance(runs),
        normality_p=statistics.normality(logs),
        median_s=row.median_s,
        low_s=row.low_s,
        high_s=row.high_s,
        bootstrap_low_s=low_s,
        bootstrap_high_s=high_s,
        synchronisation=row.synchronisation,
        missed_windows=row.missed_windows,
    )


def _ranks_test(times_s: Sequence[np.ndarray | None], runs: Sequence[SampledRun]) -> statistics.RankTest | None:
    """Whether ranks are alike: as many groups as ranks, of each rank's own times in all launches.

    Of records that lack them, one median a rank and launch.
    """
    known = [times for times in times_s if times is not None]
    if len(known) < len(runs):
        known = [np.array(run.rank_median_s)[:, None] for run in runs]
    if len({len(ranks) for ranks in known}) != 1:
        return None
    return statistics.kruskal_wallis(list(np.concatenate(known, axis=1)))


def _imbalance(runs: Sequence[SampledRun]) -> float | None:
    shares = [max(run.rank_median_s) / np.mean(run.rank_median_s) for run in runs if sum(run.rank_median_s) > 0]
    return float(np.median(shares)) if shares else None
