"""How far sweeps are: their records, and what the scheduler says of their jobs."""

from __future__ import annotations

from pathlib import Path

import click

from harness.analyse import tabulate
from harness.launch import cluster, slurm
from harness.launch.jobs import jobs_of
from harness.present import status as status_view
from harness.store.done import attempted
from harness.store.results import open_results
from harness.workflow.codes import say
from harness.workflow.tables import judge
from kernels.api import InputError


def status(names: tuple[str, ...], results: Path, format_: str) -> int:
    """Print what is measured, failed and missing, and each job that waits or runs."""
    chosen = names or open_results(results).sweep_names()
    damages: list[object] = []
    jobs: list[dict[str, object]] = []
    for name in chosen:
        try:
            jobs += _job_rows(results, name)
        except InputError as error:
            damages.append(error)
    tables = [tabulate.make_table(results, name) for name in chosen]
    click.echo(status_view.render_status(tables, jobs, format_))
    return judge(tables, damages)


def _job_rows(results: Path, name: str) -> list[dict[str, object]]:
    """The jobs of a sweep that are not over; those that are leave rows in the table instead.

    Raises `InputError` when the plan of one is damaged.
    """
    # a damaged plan is told whatever the scheduler says
    plans = [job.plan for job in jobs_of(results, name) if job.ticket and not job.ticket.outcome]
    if not plans:
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
            done = attempted(results, name, [case for _, case in runs], job.plan.synchronisation, job.name)
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
