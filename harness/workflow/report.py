"""The report: everything that sweeps measured, gathered and written as a page or as figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from harness.analyse import compare, scaling
from harness.analyse.distribution import SampledRun, collect_samples
from harness.analyse.laws.choice import fit_laws
from harness.analyse.side import read_side
from harness.present.report.content import Report, Section
from harness.store.record import utc_now
from harness.store.results import open_results
from harness.store.write import write_atomic
from harness.workflow.codes import say
from harness.workflow.tables import judge
from kernels.api import InputError


def report(
    results: Path, names: tuple[str, ...], format_: str, output: Path | None, against: str | None, threshold: float
) -> int:
    """Write the page to ``output``, or the figures into that folder; the exit code is the tables'."""
    tables = [scaling.make_table(results, name) for name in names or open_results(results).sweep_names()]
    content = gather(results, tables)
    if against:
        base, new = (read_side(name, results, [table.sweep for table in tables]) for name in (against, str(results)))
        content = msgspec.structs.replace(content, changes=compare.compare(base, new, threshold))
    say(f"wrote {_write(content, format_, output)}")
    return judge(tables)


def gather(results: Path, tables: Sequence[scaling.ScalingTable]) -> Report:
    """What a report tells of these tables of the results."""
    return Report(
        sections=[section for table in tables for section in _sections(results, table)],
        source=str(results),
        made=utc_now(),
        damages=[damage for table in tables for damage in table.damages],
    )


def _sections(results: Path, table: scaling.ScalingTable) -> list[Section]:
    runs = (run for run in open_results(results).scan(table.sweep, SampledRun) if isinstance(run, SampledRun))
    samples = collect_samples(runs, table.rows)
    sections = []
    for kernel, group in groupby(table.rows, key=attrgetter("kernel")):
        rows = list(group)
        sections.append(
            Section(
                kernel=kernel,
                sweep=table.sweep,
                mode=table.mode,
                rows=rows,
                laws=fit_laws(rows),
                samples={key: samples[key] for row in rows if (key := (row.case_id, row.stack)) in samples},
            )
        )
    return sections


def _write(content: Report, format_: str, output: Path | None) -> str:
    """What was written and where."""
    target = output or Path("report.html" if format_ == "html" else "report")
    try:
        if format_ == "html":
            from harness.present.report.page import render_page

            write_atomic(target, render_page(content).encode())
            return str(target)
        from harness.present.report.figures import write_figures

        count = len(write_figures(content, format_, target))
        return f"{count} {'figure' if count == 1 else 'figures'} to {target}"
    except OSError as error:
        raise InputError(f"{target}: {error.strerror or error}") from error
