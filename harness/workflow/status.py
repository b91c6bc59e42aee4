"""How far sweeps are: their records, and what the scheduler says of their jobs."""

from __future__ import annotations

from pathlib import Path

import click

from harness.analyse import tabulate
from harness.launch import cluster, slurm
from harness.launch.jobs import SCRIPT, Job, open_jobs
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
    active: list[tuple[Job, slurm.JobState]] = []
    for name in chosen:
        try:
            active += _active(results, name)
        except InputError as error:
            damages.append(error)
    tables = [tabulate.make_table(results, name) for name in chosen]
    jobs = [_job_row(results, job, state) for job, state in active]
    in_jobs = {
        (job.plan.sweep, case.id): (job.ticket.job_id, state.state.lower())
        for job, state in active
        for _, case in job.runs()
    }
    click.echo(status_view.render_status(tables, jobs, format_, in_jobs))
    return judge(tables, damages)


def _active(results: Path, name: str) -> list[tuple[Job, slurm.JobState]]:
    """The jobs of a sweep that are not over; those that are leave rows in the table instead.

    Raises `InputError` when the plan of one is damaged.
    """
    # a damaged plan is told whatever the scheduler says
    open_jobs(results, name)
    try:
        return cluster.active(results, name)
    except slurm.SchedulerDown as error:
        say(f"jobs are left out: {error}")
        return []


def _job_row(results: Path, job: Job, state: slurm.JobState) -> dict[str, object]:
    runs = list(job.runs())
    done = attempted(results, job.plan.sweep, [case for _, case in runs], job.plan.synchronisation, job.name)
    return {
        "sweep": job.plan.sweep,
        "job": job.ticket.job_id,
        "nodes": job.plan.nodes,
        "state": state.state.lower(),
        "reason": "" if state.reason == "None" else state.reason,
        "runs_done": len(done),
        "runs": len(runs),
        "submitted": job.ticket.submitted,
        "script": str(job.folder / SCRIPT),
    }
