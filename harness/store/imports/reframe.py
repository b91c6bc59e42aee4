"""ReFrame's performance log (ReFrame 4's ``filelog`` handler): a header line, then a line for each time a test ran."""

from __future__ import annotations

from pathlib import Path

from harness.store.imports.foreign import Better, better_of, make_run, seconds_of
from harness.store.read import StoredFigure, WholeRun

_DELIMITER = "|"
_VALUE = "_value"


def recognises(text: str) -> bool:
    """Whether the first line is a header with a performance variable."""
    header = text.partition("\n")[0].split(_DELIMITER)
    return len(header) > 1 and any(name.endswith(_VALUE) for name in header)


def read(text: str, path: Path) -> list[WholeRun]:
    """One run a line and performance variable; each line is a launch.

    A variable in a unit of time is a time. Of a rate (``MB/s``, ``Gflops``) the time is that of one unit of work. A
    variable in neither cannot be compared as a time: it is only a figure of merit of the test's other variables.
    """
    header, *lines = text.splitlines()
    names = header.split(_DELIMITER)
    variables = [name.removesuffix(_VALUE) for name in names if name.endswith(_VALUE)]
    runs = []
    for number, line in enumerate(filter(None, lines), start=1):
        row = dict(zip(names, line.split(_DELIMITER), strict=False))
        figures = [figure for variable in variables if (figure := _figure(row, variable)) is not None]
        for variable in variables:
            runs += _read_variable(row, variable, figures, path, f"{path.stem}-{number}")
    return runs


def _read_variable(
    row: dict[str, str], variable: str, figures: list[StoredFigure], path: Path, launch: str
) -> list[WholeRun]:
    figure = next((figure for figure in figures if figure.name == variable), None)
    seconds = seconds_of(float(figure.value), figure.unit) if figure is not None and figure.value is not None else None
    if figure is not None and seconds is None:
        return []
    place = "+".join(
        filter(None, [":".join(filter(None, [row.get("system"), row.get("partition")])), row.get("environ")])
    )
    passed = row.get("result", "pass") in ("pass", "")
    run = make_run(
        "reframe",
        ".".join(filter(None, [row.get("name", path.stem), place, variable])),
        [seconds] if passed and seconds is not None else [],
        launch=launch,
        started=row.get("job_completion_time", ""),
        message="" if passed else f"ReFrame's result is {row['result']}",
        figures=figures,
        environment={"hosts": [row["job_nodelist"]]} if row.get("job_nodelist") else None,
    )
    return [run]


def _figure(row: dict[str, str], variable: str) -> StoredFigure | None:
    try:
        value = float(row[variable + _VALUE])
    except (KeyError, ValueError):
        return None
    unit = row.get(f"{variable}_unit", "")
    return StoredFigure(name=variable, value=value, unit=unit, better=_direction(row, variable, unit))


def _direction(row: dict[str, str], variable: str, unit: str) -> Better:
    """By the unit, else by the reference's one-sided tolerance: what must not fall is better higher."""
    known = better_of(unit)
    if known != "neither":
        return known
    lower, upper = (row.get(f"{variable}_{end}", row.get(f"{variable}_{end}_thres", "")) for end in ("lower", "upper"))
    lacking = ("", "null", "None")
    if (lower in lacking) == (upper in lacking):
        return "neither"
    return "lower" if lower in lacking else "higher"
