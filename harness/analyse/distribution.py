"""The samples behind a table's rows, as far as pictures need them: distributions, launches, ranks, environments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from harness.analyse.scaling import TableRow
from harness.store.read import WholeRun, newest
from harness.store.record import RowKey, Stopping


class SampledRun(WholeRun, frozen=True, kw_only=True, gc=False):
    """A run with the medians of its ranks, in seconds, and why sampling it ended."""

    rank_median_s: tuple[float, ...] = ()
    stopping: Stopping | None = None


class CaseSamples(Struct, frozen=True, eq=False, kw_only=True):
    """The finished runs of a row.

    ``ordered_s`` is all samples in seconds, float64, ascending [samples]. ``rank_shares`` is each rank's median over
    the mean rank's, the median over launches [ranks]; empty where a launch has other ranks than the next, or one.
    ``limits_s`` are the seconds that a step takes at least, by what limits it, the median over launches.
    ``environments`` are the JSON objects of the runs, each once.
    """

    ordered_s: np.ndarray
    rank_shares: list[float]
    limits_s: dict[str, float]
    environments: list[bytes]


def collect_samples(runs: Iterable[SampledRun], rows: Sequence[TableRow]) -> dict[RowKey, CaseSamples]:
    """The samples of every row that has some, from the runs of its sweep."""
    found: dict[RowKey, list[SampledRun]] = defaultdict(list)
    for run in newest(runs):
        if run.status == "ok":
            found[run.row_key].append(run)
    return {row.key: _collect(found[row.key]) for row in rows if row.key in found}


def _collect(launches: Sequence[SampledRun]) -> CaseSamples:
    return CaseSamples(
        ordered_s=np.sort(np.concatenate([np.asarray(run.samples_s, dtype=float) for run in launches])),
        rank_shares=_rank_shares([run.rank_median_s for run in launches]),
        limits_s=_limits([run.limits for run in launches]),
        environments=list(dict.fromkeys(bytes(run.environment) for run in launches)),
    )


def _limits(launches: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for limits in launches for name in limits)
    return {name: float(np.median([limits[name] for limits in launches if name in limits])) for name in names}


def _rank_shares(medians_s: Sequence[Sequence[float]]) -> list[float]:
    if len({len(launch) for launch in medians_s}) != 1 or len(medians_s[0]) < 2:
        return []
    by_launch = np.asarray(medians_s, dtype=float)
    means = by_launch.mean(axis=1, keepdims=True)
    return [] if (means <= 0).any() else np.median(by_launch / means, axis=0).tolist()
