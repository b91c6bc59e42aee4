"""OpenMetrics text (version 1.0), to be scraped or pushed into a monitoring system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.analyse.scaling import TableRow
from harness.present.exports.measured import Measured

# family, unit, help, value; a family's name must end in its unit
_FAMILIES: tuple[tuple[str, str, str, Callable[[TableRow], float | None]], ...] = (
    ("scalemark_median_seconds", "seconds", "Median time of a step over launches.", lambda row: row.median_s),
    ("scalemark_low_seconds", "seconds", "Lower end of the median's 95 % interval.", lambda row: row.low_s),
    ("scalemark_high_seconds", "seconds", "Upper end of the median's 95 % interval.", lambda row: row.high_s),
    ("scalemark_p99_seconds", "seconds", "99th percentile of all samples.", lambda row: row.p99_s),
    ("scalemark_efficiency_ratio", "ratio", "Parallel efficiency.", lambda row: row.efficiency),
    ("scalemark_bound_ratio", "ratio", "Fraction of the physical limit.", lambda row: row.fraction_of_bound),
    ("scalemark_launches", "", "Finished launches.", lambda row: float(row.launches)),
    ("scalemark_bad", "", "1 if the case is failed, missing or wrong, else 0.", lambda row: float(row.is_bad)),
)
_LABELS = ("sweep", "case_id", "kernel", "backend", "nodes", "ranks", "threads", "stack", "synchronisation")


def render(measured: Measured, format_: str) -> bytes:
    """One gauge a quantity, one sample a case that has it; figures of merit share a family."""
    return "".join(f"{line}\n" for line in _lines(measured.rows)).encode()


def _lines(rows: Iterable[TableRow]) -> Iterator[str]:
    rows = list(rows)
    for name, unit, help_, value_of in _FAMILIES:
        yield from _header(name, unit, help_)
        for row in rows:
            value = value_of(row)
            if value is not None:
                yield f"{name}{_labels(row)} {value!r}"
    yield from _header("scalemark_figure", "", "A figure of merit of a case.")
    for row in rows:
        for figure, found in row.figures.items():
            if isinstance(found, int | float):
                labels = _labels(row, figure=figure, figure_unit=row.figure_units.get(figure, ""))
                yield f"scalemark_figure{labels} {float(found)!r}"
    yield "# EOF"


def _header(name: str, unit: str, help_: str) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {help_}"


def _labels(row: TableRow, **more: str) -> str:
    values = {name: str(getattr(row, name)) for name in _LABELS}
    # all of them: labels that came and went with the other cases would begin new series in the monitoring system
    values |= {f"parameter_{name}": _word(value) for name, value in row.parameters.items()} | more
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in values.items()) + "}"


def _word(value: Any) -> str:
    """A parameter as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
