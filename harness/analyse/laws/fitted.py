"""What is known of a law once it is fitted, or why none could be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from harness.analyse.scaling import TableRow
from harness.case import Mode, Synchronisation

# any law beyond the constant one needs as many points
FEWEST_POINTS = 3


class Parameter(Struct, frozen=True):
    """A fitted parameter, SI units, and what encloses it with 95 % probability."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


class FittedLaw(Struct, frozen=True, kw_only=True):
    """The law of one series. The fields are the columns that programs read; errors are relative.

    ``over`` names what grows ("ranks", or "message_bytes" for the latency and bandwidth of a collective), ``points``
    its values: the range that the law was fitted on and holds for. ``residual`` is the root mean square of what the law
    leaves unexplained, ``leave_one_out_error`` its error at points that it was not fitted to, beside the error of the
    constant law. Where points are missing ``law`` is empty and ``message`` says how many. ``case_id`` is the series'
    first case.
    """

    sweep: str
    kernel: str
    backend: str
    series: str
    stack: str
    mode: Mode
    over: str
    points: list[float]
    law: str = ""
    formula: str = ""
    parameters: list[Parameter] = []
    residual: float | None = None
    leave_one_out_error: float | None = None
    constant_error: float | None = None
    message: str = ""
    case_id: str = ""
    device: str = "cpu"
    synchronisation: Synchronisation = "barrier"

    @property
    def line(self) -> tuple[str, str, str, str, str]:
        """What it shares with its points; see `TableRow.line`."""
        return self.sweep, self.series, self.device, self.stack, self.synchronisation


def usable_points(rows: Sequence[TableRow]) -> list[TableRow]:
    """Rows with right answers and times, of each number of ranks the one on the fewest nodes, ranks growing."""
    found: dict[int, TableRow] = {}
    for row in sorted(rows, key=lambda row: row.size):
        if row.counts and row.launch_median_s and min(row.launch_median_s) > 0:
            found.setdefault(row.ranks, row)
    return list(found.values())


def describe_series(row: TableRow, over: str, points: Sequence[float]) -> FittedLaw:
    """The series that a row belongs to, not fitted yet."""
    return FittedLaw(
        sweep=row.sweep,
        kernel=row.kernel,
        backend=row.backend,
        series=row.series if over == "ranks" else f"{row.problem}.n{row.nodes}r{row.ranks}",
        stack=row.stack,
        mode=row.mode,
        over=over,
        points=list(points),
        case_id=row.case_id,
        device=row.device,
        synchronisation=row.synchronisation,
    )


def make_parameter(name: str, value: float, drawn: np.ndarray | None) -> Parameter:
    """A parameter with the percentile interval of its bootstrap replicates [count], where there are any."""
    if drawn is None:
        return Parameter(name, value)
    low, high = np.quantile(drawn, (0.025, 0.975), method="nearest")
    return Parameter(name, value, float(low), float(high))


def tell_missing(points: Sequence[TableRow], over: str) -> str:
    """Why no law can be told from these points, in a sentence; empty when one can."""
    if len(points) < FEWEST_POINTS:
        count = FEWEST_POINTS - len(points)
        what = {"ranks": "rank or node count", "message_bytes": "message size"}[over]
        found = f"{len(points)} point{'s' * (len(points) != 1)}"
        return f"{found}, a law needs {FEWEST_POINTS}: measure {count} more {what}{'s' * (count > 1)}"
    launches = min(len(row.launch_median_s) for row in points)
    return f"{launches} launch at a point, a law needs 2: sweep with --repeats 2" if launches < 2 else ""


def root_mean_square(values: np.ndarray) -> float:
    """Of residuals [points]."""
    return float(np.sqrt((values**2).mean()))
