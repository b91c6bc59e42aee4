"""Extra-P's text format: the launches' medians of each series over its ranks, to be modelled there."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from harness.analyse.scaling import TableRow
from harness.present.exports.measured import Measured
from harness.present.naming import CaseNames
from kernels.api import InputError

_PARAMETER = "ranks"


def render(measured: Measured, format_: str) -> bytes:
    """One region a series; all of them over the same ranks, which the format demands.

    Raises `InputError` when no series was measured at two scales, or the series differ in theirs.
    """
    series = _series(measured)
    scales = {tuple(sorted(rows)) for rows in series.values()}
    if not series:
        raise InputError("Extra-P models growth: found no series of two scales; right would be a sweep over ranks")
    if len(scales) > 1:
        told = " and ".join(", ".join(map(str, scale)) for scale in sorted(scales))
        raise InputError(
            f"Extra-P wants all series over the same ranks, found {told}; right would be one sweep of them"
        )
    by_row = measured.runs_by_row()
    (ranks,) = scales
    lines = [f"PARAMETER {_PARAMETER}", f"POINTS {' '.join(f'({count})' for count in ranks)}", "METRIC time"]
    names = CaseNames(rows[ranks[0]] for rows in series.values())
    for (*name, _), rows in series.items():
        # a name ends at the first space
        details = names.details(rows[ranks[0]]).replace(", ", ".").replace(" ", "")
        lines.append("REGION " + ".".join(filter(None, [*name, details])))
        for count in ranks:
            medians_s = [float(np.median(run.samples_s)) for run in by_row[rows[count].key]]
            # the format knows no exponents
            lines.append("DATA " + " ".join(f"{median_s:.12f}" for median_s in medians_s))
    return ("\n".join(lines) + "\n").encode()


def _series(measured: Measured) -> dict[tuple[str, ...], dict[int, TableRow]]:
    """The rows of each series by ranks; series of a single scale say nothing of growth."""
    found: dict[tuple[str, ...], dict[int, TableRow]] = defaultdict(dict)
    for row in measured.rows:
        if row.counts:
            found[row.line][row.ranks] = row
    return {line: rows for line, rows in found.items() if len(rows) > 1}
