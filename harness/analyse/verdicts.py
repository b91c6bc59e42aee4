"""From ratios to words: the rule that decides. ``docs/compare.md`` tells users what it was measured to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from harness.analyse.ratio import MOST_LAUNCHES, Ratio, discoveries, launches_to_settle

Verdict = Literal["slower", "failed", "missing", "inconclusive", "faster", "new", "unavailable", "same"]
# what makes a comparison's answer bad
BAD: tuple[Verdict, ...] = ("slower", "failed", "missing")


class Judgement(Struct, frozen=True):
    """A verdict and, where it needs one, its explanation."""

    verdict: Verdict
    message: str = ""


def judge(ratios: Sequence[Ratio], threshold: float, higher_is_better: bool = False) -> list[Judgement]:
    """A verdict for each of the cases that are compared together.

    A case is slower (faster) when its whole interval lies beyond the threshold on that side and the change is
    significant among all cases; same when the whole interval lies within the threshold; inconclusive otherwise.
    ``threshold`` is a share, such as 0.05: a time may grow by the factor 1.05, or shrink by it. The two tests
    together are the minimum-effect and the equivalence test at 5 % (Schuirmann, Journal of Pharmacokinetics and
    Biopharmaceutics 15, 1987).
    """
    limit = math.log1p(threshold)
    significant, p_needed = discoveries([ratio.p_value for ratio in ratios])
    among = f" among {len(ratios):,} cases" if len(ratios) > 1 else ""
    return [
        _judge_one(ratio, is_change, limit, p_needed, higher_is_better, among)
        for ratio, is_change in zip(ratios, significant, strict=True)
    ]


def _judge_one(
    ratio: Ratio, is_change: bool, limit: float, p_needed: float, higher_is_better: bool, among: str
) -> Judgement:
    low, high = ratio.log_interval
    paired = f"from {ratio.pairs} pairs" if ratio.pairs else ""
    if -limit <= low and high <= limit:
        return Judgement("same", paired)
    beyond = low > limit or high < -limit
    if beyond and is_change:
        grew = low > limit
        return Judgement("faster" if grew == higher_is_better else "slower", paired)
    reason = f"not significant{among}: " if beyond else ""
    advice = _advise(ratio, limit, p_needed)
    return Judgement("inconclusive", "; ".join(filter(None, [paired, f"{reason}{advice}"])))


def _advise(ratio: Ratio, limit: float, p_needed: float) -> str:
    extra = launches_to_settle(ratio, limit, p_needed)
    one, several = ("pair", "pairs") if ratio.pairs else ("launch a side", "launches a side")
    if extra is None:
        return f"not settled by {MOST_LAUNCHES} more {several}: they scatter too much, or the ratio is at the threshold"
    return f"{extra} more {one if extra == 1 else several} would settle it"
