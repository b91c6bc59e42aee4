"""How far sweeps are: their records, and what the scheduler says of their jobs."""

from __future__ import annotations

from pathlib import Path

import click

from harness.analyse import scaling
from harness.launch import cluster, slurm
from harness.launch.jobs import jobs_of
from harness.present import status as status_view
from harness.store import read
from harness.workflow.codes import say
from harness.workflow.tables import judge


def status(names: tuple[str, ...], results: Path, format_: str) -> int:
    """Print what is measured, failed and missing, and each job that waits or runs."""
    chosen = names or read.sweep_names(results)
    jobs = [row for name in chosen for row in _job_rows(results, name)]
    tables = [scaling.make_table(results, name) for name in chosen]
    click.echo(status_view.render_status(tables, jobs, format_))
    return judge(tables)


def _job_rows(results: Path, name: str) -> list[dict[str, object]]:
    """The jobs of a sweep that are not over; those that are leave rows in the table instead."""
    if not any(job.ticket and not job.ticket.outcome for job in jobs_of(results, name)):
        return []
    try:
        active = cluster.active(results, name)
        states = slurm.states(job.ticket.job_id for job in active if job.ticket)
    except slurm.SchedulerDown as error:
        say(f"the scheduler does not answer, so jobs are left out: {error}")
        return []
    rows = []
    for job in active:
        if job.ticket is not None:
            runs = list(job.runs())
            done = read.attempted(results, name, [case for _, case in runs], job.name)
            state = states[job.ticket.job_id]
            rows.append(
                {
                    "sweep": name,
                    "job": job.ticket.job_id,
                    "nodes": job.plan.nodes,
                    "state": state.state.lower(),
                    "reason": "" if state.reason == "None" else state.reason,
                    "runs_done": len(done),
                    "runs": len(runs),
                    "submitted": job.ticket.submitted,
                    "script": str(job.folder / "job.sh"),
                }
            )
    return rows
