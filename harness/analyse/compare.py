"""Two sides joined case by case, and a verdict for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from harness.analyse.circumstances import Allowance, Difference, find_differences, why_not_comparable
from harness.analyse.join import Joined, case_differences, join, sweep_differences
from harness.analyse.launches import is_near_clock
from harness.analyse.ratio import Launches, Ratio, paired, unpaired
from harness.analyse.side import TIME, Outcome, Side, log_value
from harness.analyse.verdicts import Verdict, judge
from kernels.api import InputError
from kernels.explain import suggest

# why there is a ratio and no verdict
_TOO_FEW = "one launch a side says nothing of the variation between launches: 4 more launches a side would be a start"


class Comparison(Struct, frozen=True, kw_only=True):
    """One case on both sides. The fields are the columns that programs read.

    ``ratio`` is NEW over BASE of the metric, ``low`` and ``high`` enclose it with 90 % probability: each alone is a
    95 % bound; of one launch a side there is a ratio, but no interval and no verdict. ``base`` and ``new`` are the
    metric's geometric means over launches (seconds, if it is the time), ``resolution_s`` the coarsest step of their
    clocks and ``timer_cost_s`` what a reading of the slowest takes. ``synchronisation`` is empty where nothing was
    measured, as ``stack`` is.
    """

    case_id: str
    verdict: Verdict
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    message: str = ""
    kernel: str = ""
    backend: str = ""
    sweep: str = ""
    stack: str = ""
    base: float | None = None
    new: float | None = None
    base_launches: int = 0
    new_launches: int = 0
    pairs: int = 0
    parameters: dict[str, Any] = {}
    nodes: int = 1
    ranks: int = 1
    threads: int = 1
    device: str = "cpu"
    resolution_s: float | None = None
    synchronisation: str = ""
    timer_cost_s: float | None = None

    def is_near_clock(self, value: float | None) -> bool:
        """Whether a time of either side is so short that the clocks show."""
        return is_near_clock(value, self.resolution_s, self.timer_cost_s)


class CompareTable(Struct, frozen=True, kw_only=True):
    """All cases of two sides, and what stands above their verdicts."""

    base: str
    new: str
    metric: str
    threshold: float
    rows: list[Comparison]
    differences: list[Difference]


def compare(
    base: Side, new: Side, threshold: float = 0.05, metric: str = TIME, allowed: Iterable[Allowance] = ()
) -> CompareTable:
    """Join the sides (see `harness.analyse.join`) and judge every case; see `harness.analyse.verdicts` for the rule.

    Raises `InputError` when the sides share no case, when not one shared case may be compared, or when the metric is
    not there or has no better direction.
    """
    _check_metric(base, new, metric)
    rows: list[Comparison] = []
    candidates: list[tuple[Comparison, Ratio]] = []
    refusal = ""
    meetings = join(base, new)
    for joined in meetings:
        row = _row_of(base, new, joined, metric)
        if row.verdict != "inconclusive":
            rows.append(row)
            continue
        reason = why_not_comparable((base, joined.before), (new, joined.after), allowed)
        ratio = None if reason else estimate(joined.before, joined.after)
        refusal = refusal or reason
        if ratio is not None:
            candidates.append((row, ratio))
        elif reason or not _has_values(joined):
            told = reason or f"{metric} is absent or not a positive number in some launch"
            rows.append(msgspec.structs.replace(row, message=told))
        else:
            ratio_alone = row.new / row.base if row.new and row.base else None
            rows.append(msgspec.structs.replace(row, message=_TOO_FEW, ratio=ratio_alone))
    if refusal and not candidates:
        raise InputError(f"{base.name} and {new.name}: {refusal}")
    rows += _judged(candidates, threshold, higher_is_better=base.better == "higher")
    return CompareTable(
        base=base.name,
        new=new.name,
        metric=metric,
        threshold=threshold,
        rows=sorted(rows, key=lambda row: (row.case_id, row.sweep, row.stack, row.synchronisation)),
        differences=[*sweep_differences(meetings), *case_differences(meetings), *find_differences(base, new)],
    )


def estimate(base: Sequence[Outcome], new: Sequence[Outcome]) -> Ratio | None:
    """The ratio of a case from its launches on both sides.

    Launches that were measured as pairs are compared as pairs: drift, and all else that they share, cancels. None when
    there are too few launches to know how much they vary, or one has no value.
    """
    before, after = _logs(base), _logs(new)
    if before is None or after is None:
        return None
    partners = {pair: log for pair, log in before if pair}
    differences = [log - partners[pair] for pair, log in after if pair in partners]
    if len(differences) > 1:
        return paired(differences)
    return unpaired(Launches.of([log for _, log in before]), Launches.of([log for _, log in after]))


def _logs(outcomes: Sequence[Outcome]) -> list[tuple[str, float]] | None:
    """The pair, if there is one, and the logarithm of every launch; None when one has no value."""
    found = [(outcome.pair, log) for outcome in outcomes if (log := log_value(outcome)) is not None]
    return found if len(found) == len(outcomes) else None


def _row_of(base: Side, new: Side, joined: Joined, metric: str) -> Comparison:
    """The row as far as no statistics are needed: cases that have to be compared are inconclusive until they are."""
    case_id, before, after = joined.case_id, joined.before, joined.after
    timed = [*before, *after] if metric == TIME else []
    case = new.cases.get(case_id) or base.cases.get(case_id) or new.asked[joined.sweep, case_id]
    verdict, message = _status(before, after)
    return Comparison(
        **case.describe(),
        sweep=joined.sweep,
        verdict=verdict,
        message=message,
        stack=joined.stack,
        synchronisation=joined.synchronisation,
        base=_middle(before),
        new=_middle(after),
        base_launches=sum(outcome.status == "ok" for outcome in before),
        new_launches=sum(outcome.status == "ok" for outcome in after),
        resolution_s=max((outcome.resolution_s for outcome in timed if outcome.resolution_s), default=None),
        timer_cost_s=max((outcome.timer_cost_s for outcome in timed if outcome.timer_cost_s), default=None),
    )


def _status(before: Sequence[Outcome], after: Sequence[Outcome]) -> tuple[Verdict, str]:
    if not after:
        return "missing", "measured in BASE, not in NEW" if before else "asked for in NEW, not measured"
    bad = _first_bad(after)
    if all(outcome.status == "unavailable" for outcome in after) and not any(item.status == "ok" for item in before):
        return "unavailable", bad
    if bad:
        return "failed", bad
    if not before:
        return "new", "not measured in BASE"
    bad = _first_bad(before)
    return ("new", f"no good result in BASE: {bad}") if bad else ("inconclusive", "")


def _first_bad(outcomes: Sequence[Outcome]) -> str:
    """What is wrong with the first launch that did not finish or gave a wrong answer."""
    bad = [outcome for outcome in outcomes if outcome.status != "ok" or not outcome.is_right]
    if not bad:
        return ""
    status = "" if bad[0].status == "ok" else f"{bad[0].status.replace('_', ' ')}: "
    share = f" (in {len(bad)} of {len(outcomes)} launches)" if len(outcomes) > 1 else ""
    return status + (bad[0].message or "the check failed") + share


def _has_values(joined: Joined) -> bool:
    return all(log_value(outcome) is not None for outcome in (*joined.before, *joined.after))


def _judged(
    candidates: Sequence[tuple[Comparison, Ratio]], threshold: float, higher_is_better: bool
) -> list[Comparison]:
    judgements = judge([ratio for _, ratio in candidates], threshold, higher_is_better)
    rows = []
    for (row, ratio), judgement in zip(candidates, judgements, strict=True):
        low, high = ratio.interval()
        told = {"verdict": judgement.verdict, "message": judgement.message, "pairs": ratio.pairs}
        rows.append(msgspec.structs.replace(row, **told, ratio=ratio.value, low=low, high=high))
    return rows


def _middle(outcomes: Sequence[Outcome]) -> float | None:
    """The launches' typical value, as the ratio has it: their geometric mean where all are positive."""
    values = [outcome.value for outcome in outcomes if outcome.status == "ok" and outcome.value is not None]
    if len(values) < 2:
        return values[0] if values else None
    return float(np.exp(np.log(values).mean()) if min(values) > 0 else np.mean(values))


def _check_metric(base: Side, new: Side, metric: str) -> None:
    if not set(base.outcomes) & set(new.outcomes):
        raise InputError(f"{base.name} and {new.name} have no case in common; right would be two results of one sweep")
    if metric == TIME:
        return
    for side in (base, new):
        if metric not in side.figures:
            raise InputError(
                f"{side.name}: no figure of merit {metric!r}; {suggest(metric, [TIME, *sorted(side.figures)])}"
            )
    if base.better == "neither" or base.better != new.better:
        raise InputError(f"{metric}: no better direction is known, so it can be neither faster nor slower")
