"""Past the scaling tables: what the samples say, and the laws they follow."""

from __future__ import annotations

from pathlib import Path

import click

from harness.analyse import samples, tabulate
from harness.analyse.laws.choice import fit_laws
from harness.present import analysis as analysis_view
from harness.store.results import open_results
from harness.workflow.tables import judge


def statistics(names: tuple[str, ...], results: Path, format_: str) -> int:
    """Print what the samples behind tables say."""
    tables = [tabulate.make_table(results, name) for name in names or open_results(results).sweep_names()]
    damages: list[object] = []
    rows = [row for table in tables for row in samples.examine_sweep(results, table.sweep, table.rows, damages)]
    click.echo(analysis_view.render_samples(rows, format_))
    return judge(tables, damages)


def laws(names: tuple[str, ...], results: Path, format_: str) -> int:
    """Print the scaling law of every series."""
    tables = [tabulate.make_table(results, name) for name in names or open_results(results).sweep_names()]
    fitted = [law for table in tables for law in fit_laws(table.rows)]
    rows = [row for table in tables for row in table.rows]
    click.echo(analysis_view.render_laws(fitted, rows, format_))
    return judge(tables)
