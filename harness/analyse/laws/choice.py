"""Which law a scaling series follows, if its points can tell."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from harness.analyse.laws import fitting
from harness.analyse.laws.fitted import (
    FittedLaw,
    Parameter,
    describe_series,
    make_parameter,
    root_mean_square,
    tell_missing,
    usable_points,
)
from harness.analyse.laws.models import CONSTANT, Law, laws_of
from harness.analyse.laws.sizes import fit_over_sizes
from harness.analyse.scaling import TableRow
from harness.case import Mode

# the share of flat series that may seem to scale
_SIGNIFICANCE = 0.05


def fit_laws(rows: Iterable[TableRow], replicates: int = fitting.REPLICATES) -> list[FittedLaw]:
    """The law of every series of a table, each with bootstrap intervals (without when ``replicates`` is 0)."""
    return [*_over_ranks(rows := list(rows), replicates), *fit_over_sizes(rows, replicates)]


def _over_ranks(rows: Sequence[TableRow], replicates: int) -> list[FittedLaw]:
    series: dict[tuple[str, ...], list[TableRow]] = defaultdict(list)
    for row in rows:
        series[row.line].append(row)
    return [_choose(points, replicates) for points in series.values() if len({row.ranks for row in points}) > 1]


def _choose(rows: Sequence[TableRow], replicates: int) -> FittedLaw:
    """The law with the least leave-one-out error, of those with fewer coefficients where that is as small.

    As small is: within one standard error of the least (Breiman et al., "Classification and Regression Trees", 1984,
    section 3.4.3). All of them stand behind the constant law as long as launches differ as much as points do.
    """
    points = usable_points(rows)
    series = describe_series(rows[0], "ranks", [row.ranks for row in points])
    missing = tell_missing(points, "ranks")
    if missing:
        return msgspec.structs.replace(series, message=missing)
    ranks = np.array([float(row.ranks) for row in points])
    times_s = np.array([fitting.centre_s(row.launch_median_s) for row in points])
    laws = [law for law in laws_of(rows[0].mode) if law.fewest_points <= len(points)]
    errors = {law: fitting.leave_one_out(law, ranks, times_s) for law in laws}
    law = _select(errors) if _differ([row.launch_median_s for row in points]) else CONSTANT
    coefficients = fitting.fit(law, ranks, times_s)
    replicates_s = fitting.replicate_s([row.launch_median_s for row in points], replicates)
    parameters = _parameters(law, ranks, coefficients, replicates_s)
    return msgspec.structs.replace(
        series,
        law=law.name,
        formula=law.formula,
        parameters=parameters,
        residual=root_mean_square(fitting.predict(law, ranks, coefficients) / times_s - 1),
        leave_one_out_error=float(errors[law].mean()),
        constant_error=float(errors[CONSTANT].mean()),
        message=_refused(rows[0].mode, len(points)),
    )


def _refused(mode: Mode, points: int) -> str:
    """The laws that need more points than there are, and how many."""
    lacking = {law.name: law.fewest_points for law in laws_of(mode) if law.fewest_points > points}
    return "; ".join(f"{name} needs {fewest} points: {fewest - points} more" for name, fewest in lacking.items())


def _differ(launches: Sequence[Sequence[float]]) -> bool:
    """Whether points differ more than launches of one do: the F test of one way over logarithms (Fisher, 1925)."""
    from scipy.special import fdtrc

    logs = [np.log(values) for values in launches]
    total, groups = sum(map(len, logs)), len(logs)
    mean = np.concatenate(logs).mean()
    between = sum(len(values) * (values.mean() - mean) ** 2 for values in logs) / (groups - 1)
    within = sum(((values - values.mean()) ** 2).sum() for values in logs) / (total - groups)
    if within == 0:
        return bool(between > 0)
    return bool(fdtrc(groups - 1, total - groups, between / within) < _SIGNIFICANCE)


def _select(errors: Mapping[Law, np.ndarray]) -> Law:
    best = min(errors, key=lambda law: errors[law].mean())
    enough = errors[best].mean() + errors[best].std(ddof=1) / math.sqrt(len(errors[best]))
    as_good = [law for law in errors if errors[law].mean() <= enough]
    fewest = min(law.coefficients for law in as_good)
    return min((law for law in as_good if law.coefficients == fewest), key=lambda law: errors[law].mean())


def _parameters(law: Law, ranks: np.ndarray, coefficients: np.ndarray, replicates_s: np.ndarray) -> list[Parameter]:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = law.parameters(coefficients)
        drawn = law.parameters(fitting.fit(law, ranks, replicates_s)) if len(replicates_s) else {}
    return [make_parameter(name, float(value), drawn.get(name)) for name, value in values.items()]
