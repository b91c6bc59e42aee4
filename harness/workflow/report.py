"""The report: everything that sweeps measured, gathered and written as a page or as figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from harness.analyse import compare, tabulate
from harness.analyse.distribution import SampledRun, collect_samples
from harness.analyse.history import find_histories
from harness.analyse.laws.choice import fit_laws
from harness.analyse.scaling import ScalingTable
from harness.analyse.side import TIME, Side, read_side
from harness.present import units
from harness.present.report.content import Report, Section
from harness.store.read import sound
from harness.store.record import utc_now
from harness.store.results import open_results
from harness.store.write import write_atomic
from harness.workflow.codes import say
from harness.workflow.compare import own_sides
from harness.workflow.tables import judge
from kernels.api import InputError


def report(
    results: Path, names: tuple[str, ...], format_: str, output: Path | None, against: str | None, threshold: float
) -> int:
    """Write the page to ``output``, or the figures into that folder; the exit code is the tables'."""
    tables = [tabulate.make_table(results, name) for name in names or open_results(results).sweep_names()]
    content = gather(results, tables)
    if against:
        base, new = (read_side(name, results, names) for name in (against, str(results)))
        damages = [*content.damages, *map(str, base.damages)]
        content = msgspec.structs.replace(content, changes=compare.compare(base, new, threshold), damages=damages)
    say(f"wrote {_write(content, format_, output)}")
    return judge(tables, content.damages)


def gather(results: Path, tables: Sequence[ScalingTable]) -> Report:
    """What a report tells of these tables of the results."""
    damages: list[object] = [damage for table in tables for damage in table.damages]
    sections = [section for table in tables for section in _sections(results, table, damages)]
    sides = own_sides(results, TIME, damages)
    damages += [damage for side in sides for damage in side.damages]
    return Report(
        sections=_with_histories(sections, sides),
        source=str(results),
        made=utc_now(),
        damages=list(dict.fromkeys(map(str, damages))),
    )


def _sections(results: Path, table: ScalingTable, damages: list[object]) -> list[Section]:
    runs = sound(open_results(results).scan(table.sweep, SampledRun), damages)
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
                samples={row.key: samples[row.key] for row in rows if row.key in samples},
            )
        )
    return sections


def _with_histories(sections: Sequence[Section], sides: Sequence[Side]) -> list[Section]:
    """Each case's history in the first section that has the case, where there is more than one point to it."""
    untold = {
        (item.case_id, item.stack, item.synchronisation): item
        for kernel in {section.kernel for section in sections}
        for item in find_histories(sides, kernel)
        if len(item.points) > 1
    }
    found = []
    for section in sections:
        keys = [(row.case_id, row.stack, row.synchronisation) for row in section.rows]
        histories = [item for key in keys if (item := untold.pop(key, None))]
        found.append(msgspec.structs.replace(section, histories=histories))
    return found


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
        return f"{units.counted(count, 'figure')} to {target}"
    except OSError as error:
        raise InputError(f"{target}: {error.strerror or error}") from error
