"""How far sweeps are, and what a sweep would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from rich.console import Console, Group
from rich.text import Text

from harness.analyse.scaling import ScalingTable, TableRow
from harness.case import Sweep
from harness.present import render, units
from harness.present.naming import CaseNames


def render_status(
    tables: Iterable[ScalingTable],
    jobs: list[dict[str, object]],
    format_: str,
    in_jobs: Mapping[tuple[str, str], tuple[str, str]] = MappingProxyType({}),
) -> str:
    """For people a line a sweep, the jobs under way, and each case that is not done and why; for programs the cases.

    ``in_jobs`` are number and state of the job that has a case before it, by sweep and case id.
    """
    tables = list(tables)
    if format_ != "text":
        rows = [(row, names) for table in tables for names in [CaseNames(table.rows)] for row in table.rows]
        told = [_case_row(row) | _job_columns(row, in_jobs) | names.columns(row, format_) for row, names in rows]
        return render.rows(told, format_)
    parts = [render.rows([_sweep_row(table) for table in tables], format_)]
    if jobs:
        parts.append(render.rows(jobs, format_, title="jobs", group_by="sweep"))
    open_cases = [line for table in tables for line in _open_cases(table)]
    if open_cases:
        parts.append(render.to_text(Group(Text("not done", style="bold"), *open_cases)))
    return "\n\n".join(parts)


def render_plan(sweep: Sweep, runs: Counter[str], expected_s: float, format_: str) -> str:
    """The cases of a sweep and how many runs of each lie ahead (``runs``, by case id)."""
    rows = [
        {
            "sweep": sweep.name,
            "case_id": item.case.id,
            "kernel": item.case.kernel,
            "backend": item.case.backend,
            "nodes": item.case.scale.nodes,
            "ranks": item.case.scale.ranks,
            "threads": item.case.scale.threads,
            "runs": runs[item.case.id],
            "parameters": item.case.parameters,
        }
        for item in sweep.cases
    ]
    if format_ != "text":
        return render.rows(rows, format_)
    columns = ("kernel", "backend", "nodes", "ranks", "threads", "runs", "parameters")
    shown = [{name: row[name] for name in columns} for row in rows]
    launches = units.counted(sweep.repeats, "launch")
    minutes, seconds = divmod(round(expected_s), 60)
    ahead = f"{units.counted(runs.total(), 'run')} {'lies' if runs.total() == 1 else 'lie'} ahead"
    return "\n".join(
        [
            render.rows(shown, format_, title=f"{sweep.name}: {sweep.mode} scaling, {launches} a case"),
            f"\n{ahead}, at least about {minutes} min {seconds} s",
        ]
    )


def _open_cases(table: ScalingTable) -> Iterator[Text]:
    """The cases that are not done, brought together by the reason, each with its id, which `scalemark forget` takes."""
    names = CaseNames(table.rows)
    found: dict[tuple[str, str], list[TableRow]] = {}
    for row in table.rows:
        if row.status != "ok":
            found.setdefault((row.status.replace("_", " "), row.message), []).append(row)
    for (status, message), rows in found.items():
        style = "dim" if status == "missing" else "red"
        yield Text.assemble(f"{table.sweep}: ", (status, style), f", {units.counted(len(rows), 'case')}: {message}")
        for lines in names.lines(rows, Console().width - 2):
            yield from (Text(f"  {line}", no_wrap=True, overflow="ignore") for line in lines)


def _sweep_row(table: ScalingTable) -> dict[str, object]:
    counts = Counter(row.status for row in table.rows)
    others = {name: count for name, count in counts.items() if name not in ("ok", "missing")}
    return {
        "sweep": table.sweep,
        "mode": table.mode,
        "cases": len(table.rows),
        "done": counts["ok"],
        "missing": counts["missing"],
        "failed": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in others.items()) or 0,
        "wrong": sum(row.check_passed is False for row in table.rows),
        "damaged_files": len(table.damages),
    }


def _job_columns(row: TableRow, in_jobs: Mapping[tuple[str, str], tuple[str, str]]) -> dict[str, object]:
    number, state = in_jobs.get((row.sweep, row.case_id), ("", ""))
    return {"job": number, "job_state": state}


def _case_row(row: TableRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("sweep", "case_id", "stack", "status", "launches", "message")}
