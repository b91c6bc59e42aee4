"""A cluster as the allocation: a sweep's launches as batch jobs, one a node count, followed until they are over.

What the jobs measure is in the records; what they could not measure, the scheduler's State explains. Nothing that runs
depends on the process that waits here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.case import Case
from harness.launch import slurm
from harness.launch.jobs import (
    LOG,
    PLAN,
    SCRIPT,
    Job,
    JobPlan,
    Step,
    Ticket,
    job_folders,
    jobs_folder,
    keep_ticket,
    open_jobs,
    read_ticket,
)  # fmt: skip
from harness.launch.observer import Observer
from harness.launch.plan import Launch, new_launch_id, run_id
from harness.launch.site import Site
from harness.launch.supervisor import Setting, clear_interrupted
from harness.store.done import attempted
from harness.store.lines import LineReader
from harness.store.record import LaunchInfo, Record, utc_now
from harness.store.write import write_atomic, write_record

# asked often at first, when a job may start at once, and ever less while it waits or runs for hours
_FIRST_POLL_S = 0.5
_LAST_POLL_S = 15.0
_GROWTH = 1.1


def submit(launches: Iterable[Launch], site: Site, setting: Setting) -> list[Job]:
    """Hand the launches to the scheduler, one job a node count.

    Raises `InputError` for a job that it refuses, and when it does not answer.
    """
    prepared = [_prepare(nodes, group, site, setting) for nodes, group in _by_nodes(launches)]
    jobs = []
    for folder, plan in prepared:
        ticket = Ticket(job_id=slurm.submit(folder), submitted=utc_now())
        keep_ticket(folder, ticket)
        jobs.append(Job(folder=folder, plan=plan, ticket=ticket))
    return jobs


def scripts(launches: Iterable[Launch], site: Site, setting: Setting) -> list[str]:
    """The batch scripts that `submit` would hand in, for a look beforehand."""
    folder = jobs_folder(setting.results.resolve(), setting.sweep)
    return [
        slurm.script(folder / f"{setting.sweep}-n{nodes}", _make_plan(nodes, group, site, setting))
        for nodes, group in _by_nodes(launches)
    ]


def _by_nodes(launches: Iterable[Launch]) -> list[tuple[int, list[Launch]]]:
    groups: dict[int, list[Launch]] = defaultdict(list)
    for launch in launches:
        groups[launch.scale.nodes].append(launch)
    return sorted(groups.items())


def _prepare(nodes: int, launches: list[Launch], site: Site, setting: Setting) -> tuple[Path, JobPlan]:
    """Write a job's folder: the plan, and the script that may also be submitted by hand."""
    folder = jobs_folder(setting.results.resolve(), setting.sweep) / f"{setting.sweep}-n{nodes}-{new_launch_id()}"
    plan = _make_plan(nodes, launches, site, setting)
    text = slurm.script(folder, plan)
    write_atomic(folder / PLAN, msgspec.json.encode(plan))
    write_atomic(folder / SCRIPT, text.encode())
    (folder / SCRIPT).chmod(0o755)
    return folder, plan


def _make_plan(nodes: int, launches: list[Launch], site: Site, setting: Setting) -> JobPlan:
    """What one job measures."""
    return JobPlan(
        sweep=setting.sweep,
        results=str(setting.results.resolve()),
        nodes=nodes,
        budget_s=setting.budget_s,
        synchronisation=setting.synchronisation,
        limit_s=setting.limit_s,
        code=setting.code,
        site=site,
        launches=launches,
    )


def active(results: Path, sweep: str) -> list[tuple[Job, slurm.JobState]]:
    """The sweep's jobs that wait or run; those that are over are settled on the way."""
    still = []
    for job, state in look(results, sweep):
        if state.phase == "over":
            settle(job, state)
        else:
            still.append((job, state))
    return still


def look(results: Path, sweep: str) -> list[tuple[Job, slurm.JobState]]:
    """The sweep's jobs that are not accounted for, and what the scheduler says of each.

    Raises `SchedulerDown`, and `InputError` for a damaged plan.
    """
    _find_unkept(results, sweep)
    return _ask(open_jobs(results, sweep))


def _find_unkept(results: Path, sweep: str) -> None:
    """Keep the numbers of jobs that were submitted by hand, or by a process that was killed before it kept them."""
    folders = [folder for folder in job_folders(results, sweep) if read_ticket(folder) is None]
    if folders and slurm.is_here():
        numbers = slurm.numbers()
        for folder in folders:
            if job_id := numbers.get(slurm.job_name(folder)):
                keep_ticket(folder, Ticket(job_id=job_id, submitted=utc_now()))


def _ask(jobs: list[Job]) -> list[tuple[Job, slurm.JobState]]:
    found = slurm.states(job.ticket.job_id for job in jobs)
    return [(job, found[job.ticket.job_id]) for job in jobs]


def follow(jobs: list[Job], observer: Observer) -> None:
    """Wait until the jobs are over, telling the observer what happens. A scheduler that is down is waited for."""
    readers = {job.folder: job.progress() for job in jobs}
    cases = {job.folder: {case.id: case for _, case in job.runs()} for job in jobs}
    left = {job.folder: len(list(job.runs())) for job in jobs}
    observer.planned(sum(left.values()))
    pause_s = _FIRST_POLL_S
    waiting = list(jobs)
    while waiting:
        over = _over(waiting)
        for job in waiting:
            ended = _tell(readers[job.folder], cases[job.folder], observer)
            left[job.folder] -= ended
            if ended and left[job.folder] <= 0:
                # it has nothing left to do
                pause_s = _FIRST_POLL_S
        for job, state in over:
            for case, record in settle(job, state):
                observer.run_ended(case, record.status, record.message)
            waiting.remove(job)
        if waiting:
            time.sleep(pause_s)
            pause_s = min(pause_s * _GROWTH, _LAST_POLL_S)


def settle(job: Job, state: slurm.JobState) -> list[tuple[Case, Record]]:
    """Give every run that a finished job left without a record one that says why; returns those.

    They all count as not measured, so the next sweep offers them again.
    """
    ticket, plan = read_ticket(job.folder), job.plan
    if ticket is None or ticket.outcome or ticket.job_id != job.ticket.job_id:
        # somebody else was faster, or has submitted it anew
        return []
    results = Path(plan.results)
    begun = _begun(job)
    cases = [case for _, case in job.runs()]
    done = attempted(results, plan.sweep, cases, plan.synchronisation, job.name)
    status, sentence = state.verdict
    where = f"job {ticket.job_id}" + (f"; see {job.folder / LOG}" if status == "failed" else "")
    lost = []
    for launch, case in job.runs():
        if launch.key(case) in done:
            continue
        when = "while this case was measured" if case.id in begun else "before this case began"
        record = Record(
            run_id=run_id(job.name.rpartition("-n")[2], launch.repeat),
            sweep=plan.sweep,
            case=case,
            stack=launch.stack,
            launch=LaunchInfo(
                id=job.name,
                repeat=launch.repeat,
                launcher=plan.site.launcher,
                allocation=job.name,
                pair=launch.pair,
            ),
            status=status,
            synchronisation=plan.synchronisation,
            message=f"{sentence} {when} ({where})",
            ended=utc_now(),
        )
        write_record(results, record)
        lost.append((case, record))
    clear_interrupted(results, plan.sweep, job.name)
    keep_ticket(job.folder, msgspec.structs.replace(ticket, outcome=state.state))
    return lost


def _over(jobs: list[Job]) -> list[tuple[Job, slurm.JobState]]:
    try:
        return [(job, state) for job, state in _ask(jobs) if state.phase == "over"]
    except slurm.SchedulerDown:
        return []


def _tell(reader: LineReader[Step], cases: dict[str, Case], observer: Observer) -> int:
    """Pass on what a job has told since the last time; returns how many runs have ended."""
    steps = reader.read()
    for step in steps:
        if step.status is None:
            observer.run_started(cases[step.case_id], step.message)
        else:
            observer.run_ended(cases[step.case_id], step.status, step.message)
    return sum(step.status is not None for step in steps)


def _begun(job: Job) -> set[str]:
    """The case that was under way when the job ended, if any."""
    steps = job.progress().read()
    return {steps[-1].case_id} if steps and steps[-1].status is None else set()
