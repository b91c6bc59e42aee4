"""A fitted law as a curve through the points that it was fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analyse.laws import fitting
from harness.analyse.laws.fitted import FittedLaw, usable_points
from harness.analyse.laws.models import laws_of
from harness.analyse.scaling import TableRow

_POINTS = 32


def law_curve(fitted: FittedLaw, rows: Sequence[TableRow]) -> list[tuple[float, float]]:
    """Ranks and seconds from the first to the last of the law's points; empty where there is no law over ranks.

    ``rows`` are those of the law's series; a curve never leaves the range that was measured.
    """
    law = next((law for law in laws_of(fitted.mode) if (law.name, law.formula) == (fitted.law, fitted.formula)), None)
    if law is None or fitted.over != "ranks":
        return []
    times_s = {float(row.ranks): fitting.centre_s(row.launch_median_s) for row in usable_points(rows)}
    coefficients = fitting.fit(law, np.array(fitted.points), np.array([times_s[ranks] for ranks in fitted.points]))
    ranks = np.geomspace(min(fitted.points), max(fitted.points), _POINTS)
    return list(zip(ranks.tolist(), fitting.predict(law, ranks, coefficients).tolist(), strict=True))
