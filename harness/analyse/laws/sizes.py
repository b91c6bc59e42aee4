"""Latency and bandwidth of collectives, from messages that grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from harness.analyse.laws import fitting
from harness.analyse.laws.fitted import FittedLaw, describe_series, make_parameter, root_mean_square, tell_missing
from harness.analyse.laws.models import CONSTANT
from harness.analyse.scaling import TableRow


def fit_over_sizes(rows: Sequence[TableRow], replicates: int) -> list[FittedLaw]:
    """Latency and bandwidth of each collective at each number of ranks: messages that grow over a series."""
    series: dict[tuple[object, ...], list[TableRow]] = defaultdict(list)
    for row in rows:
        if "message_bytes" in row.parameters and row.ranks > 1:
            others = tuple((name, value) for name, value in row.parameters.items() if name != "message_bytes")
            place = (
                row.sweep,
                row.kernel,
                row.backend,
                row.device,
                row.stack,
                row.synchronisation,
                *row.size,
                row.threads,
            )
            series[*place, others].append(row)
    return [_fit_sizes(group, replicates) for group in series.values() if len(group) > 1]


def _fit_sizes(rows: Sequence[TableRow], replicates: int) -> FittedLaw:
    """Hockney's T = alpha messages + beta bytes (Parallel Computing 20, 1994), both as the kernel counts its work."""
    points = [row for row in rows if row.work and row.work.messages and row.launch_median_s]
    points = sorted((row for row in points if row.counts), key=lambda row: row.parameters["message_bytes"])
    series = describe_series(rows[0], "message_bytes", [row.parameters["message_bytes"] for row in points])
    missing = tell_missing(points, "message_bytes")
    if missing:
        return msgspec.structs.replace(series, message=missing)
    works = [row.work for row in points if row.work]
    columns = np.array([(float(work.messages), work.sent_bytes) for work in works])
    times_s = np.array([fitting.centre_s(row.launch_median_s) for row in points])
    found = fitting.fit_nonnegative(columns, times_s)
    replicates_s = fitting.replicate_s([row.launch_median_s for row in points], replicates)
    drawn = fitting.fit_nonnegative(columns, replicates_s) if replicates else None
    left_out_s = (columns * fitting.fit_nonnegative(columns, *fitting.without_each(times_s))).sum(axis=-1)
    names = ("alpha_s", "beta_s_per_byte")
    return msgspec.structs.replace(
        series,
        law="alpha-beta",
        formula="T = alpha messages + beta sent bytes",
        parameters=[
            make_parameter(name, float(found[index]), None if drawn is None else drawn[:, index])
            for index, name in enumerate(names)
        ],
        residual=root_mean_square(columns @ found / times_s - 1),
        leave_one_out_error=float(fitting.symmetric_errors(left_out_s, times_s).mean()),
        constant_error=float(fitting.leave_one_out(CONSTANT, columns[:, 1], times_s).mean()),
    )
