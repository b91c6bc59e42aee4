"""Scaling tables of what is measured: printed, kept beside the records, judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import msgspec

from harness.analyse import tabulate
from harness.analyse.scaling import ScalingTable
from harness.present import table as table_view
from harness.present import units
from harness.store.results import open_results
from harness.store.write import write_atomic
from harness.workflow.codes import BAD_ANSWER, DONE, name_damages, say


def table(names: tuple[str, ...], results: Path, format_: str) -> int:
    """Print scaling tables."""
    return print_tables(make_tables(results, names or open_results(results).sweep_names()), format_)


def make_tables(results: Path, names: Iterable[str]) -> list[ScalingTable]:
    """The tables of sweeps."""
    return [tabulate.make_table(results, name) for name in names]


def print_case(results: Path, sweep: str, case_id: str, format_: str) -> int:
    """Print of a sweep's table the rows of one case; returns the exit code."""
    table = tabulate.make_table(results, sweep)
    rows = [row for row in table.rows if row.case_id == case_id]
    return print_tables([msgspec.structs.replace(table, rows=rows)], format_)


def print_tables(tables: Sequence[ScalingTable], format_: str) -> int:
    """Print tables; returns the exit code."""
    click.echo(table_view.render(tables, format_))
    return judge(tables)


def keep_table(results: Path, table: ScalingTable) -> list[Path]:
    """The table beside the records, for people and for programs."""
    paths = []
    for format_, suffix in (("markdown", "md"), ("csv", "csv")):
        path = results / "tables" / f"{table.sweep}.{suffix}"
        write_atomic(path, table_view.render([table], format_).encode() + b"\n")
        paths.append(path)
    return paths


def judge(tables: Iterable[ScalingTable], further: Iterable[object] = ()) -> int:
    """The exit code, what it is due to told: every damaged file, of the tables and ``further`` ones, and bad cases."""
    tables = list(tables)
    is_damaged = name_damages([*(damage for table in tables for damage in table.damages), *further])
    bad = {table.sweep: count for table in tables if (count := sum(row.is_bad for row in table.rows))}
    if bad:
        cases = units.counted(sum(bad.values()), "case")
        say(f"exit code {BAD_ANSWER}: {cases} failed, missing or wrong in {', '.join(bad)}")
    return BAD_ANSWER if is_damaged or any(table.is_bad for table in tables) else DONE
