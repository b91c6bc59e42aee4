"""How far sweeps are, and what a sweep would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.analyse.scaling import ScalingTable, TableRow
from harness.case import Sweep
from harness.present import render


def render_status(tables: Iterable[ScalingTable], jobs: list[dict[str, object]], format_: str) -> str:
    """For people a line a sweep, the jobs under way, and each case that is not done and why; for programs the cases."""
    tables = list(tables)
    if format_ != "text":
        return render.rows([_case_row(row) for table in tables for row in table.rows], format_)
    parts = [render.rows([_sweep_row(table) for table in tables], format_)]
    if jobs:
        parts.append(render.rows(jobs, format_, title="jobs", group_by="sweep"))
    open_cases = [_case_row(row) for table in tables for row in table.rows if row.status != "ok"]
    if open_cases:
        parts.append(render.rows(open_cases, format_, title="not done", group_by="sweep"))
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
            "parameters": ", ".join(f"{name}={value}" for name, value in item.case.parameters.items()),
        }
        for item in sweep.cases
    ]
    if format_ != "text":
        return render.rows(rows, format_)
    columns = ("kernel", "backend", "nodes", "ranks", "threads", "runs", "parameters")
    shown = [{name: row[name] for name in columns} for row in rows]
    minutes, seconds = divmod(round(expected_s), 60)
    return "\n".join(
        [
            render.rows(shown, format_, title=f"{sweep.name}: {sweep.mode} scaling, {sweep.repeats} launches a case"),
            f"\n{runs.total()} runs lie ahead, at most about {minutes} min {seconds} s",
        ]
    )


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


def _case_row(row: TableRow) -> dict[str, object]:
    return {
        "sweep": row.sweep,
        "case_id": row.case_id,
        "stack": row.stack,
        "status": row.status,
        "launches": row.launches,
        "message": row.message,
    }
