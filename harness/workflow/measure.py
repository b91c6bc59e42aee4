"""Measuring: one case, or what sweeps lack, here or through a cluster's scheduler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from harness.case import Case, CaseGroup, Device, Sweep, SweepFile, expand
from harness.images.stacks import find_stacks
from harness.launch import cluster, local, plan, selection
from harness.launch.jobs import SCRIPT, Job
from harness.launch.site import Site, load_site
from harness.launch.supervisor import Setting
from harness.present import progress
from harness.present import status as status_view
from harness.store import done, source_code
from harness.store.manifest import write_manifest
from harness.store.record import Stack
from harness.workflow.against import Against, make_against
from harness.workflow.codes import DONE, say
from harness.workflow.tables import keep_table, make_tables, print_case, print_tables
from kernels import registry
from kernels.api import InputError

# cases that ``scalemark run`` measured one by one; every call adds a launch
RUN_SWEEP = "run"


class Manner(Struct, frozen=True, kw_only=True):
    """How to measure, whatever is measured. Without a site the allocation is this machine.

    With ``against``, sweeps are measured in its two stacks, and ``stacks_of`` is not asked.
    """

    results: Path
    limit_s: float
    stacks_of: Callable[[Case], list[Stack]]
    site: Site | None = None
    detach: bool = False
    against: Against | None = None


def make_manner(
    results: Path,
    limit_s: float,
    stacks: tuple[str, ...],
    site: str | None,
    detach: bool = False,
    base: str | None = None,
    threshold: float = 0.05,
) -> Manner:
    """The manner that options ask for; raises `InputError` for a site, a base or an option that cannot be meant.

    ``base`` and ``threshold`` are what `make_against` takes.
    """
    if detach and site is None:
        raise InputError("--detach goes with --site: only a cluster's jobs go on by themselves")
    return Manner(
        results=results,
        limit_s=limit_s,
        stacks_of=find_stacks(stacks),
        site=load_site(site) if site else None,
        detach=detach,
        against=make_against(base, stacks, results, threshold) if base else None,
    )


def run(
    kernel: str,
    backend: str | None,
    settings: dict[str, Any],
    device: Device,
    scale: dict[str, Any],
    manner: Manner,
    format_: str,
) -> int:
    """Measure one case once more and print its row.

    ``scale`` has nodes, ranks_per_node, threads and, how they are measured, budget_s and synchronisation.
    """
    first = next(iter(registry.load(kernel).backends))
    group = CaseGroup(kernel=kernel, backend=backend or first, set=settings, device=device)
    file = SweepFile(
        name=RUN_SWEEP,
        mode="none",
        nodes=(scale["nodes"],),
        ranks_per_node=(scale["ranks_per_node"],),
        threads=(scale["threads"],),
        repeats=1,
        budget_s=scale["budget_s"],
        synchronisation=scale["synchronisation"],
        cases=(group,),
    )
    sweep = expand(file)
    if len(sweep.cases) != 1:
        raise InputError(f"run measures one case, found {len(sweep.cases)}; `scalemark sweep` takes lists")
    _check(sweep, manner)
    for reason in _cannot_run(sweep, manner):
        raise InputError(reason)
    case = sweep.cases[0].case
    stacks = manner.stacks_of(case)
    with local.claim(manner.results, sweep.name):
        write_manifest(manner.results, sweep)
        repeats = [
            done.next_repeat(manner.results, sweep.name, case.id, stack.key, sweep.synchronisation) for stack in stacks
        ]
        launches = [
            plan.Launch(scale=case.scale, stack=stack, repeat=repeat, cases=[case])
            for stack, repeat in zip(stacks, repeats, strict=True)
        ]
        _measure(launches, [], sweep, manner)
    return print_case(manner.results, sweep.name, case.id, format_)


def sweep(what: tuple[str, ...], choice: dict[str, Any], manner: Manner, format_: str, dry_run: bool) -> int:
    """Measure what sweeps lack, then keep their tables and print them, or the verdicts on what is measured in pairs.

    ``choice`` is what `find_sweeps` takes.
    """
    sweeps = selection.find_sweeps(what, **choice)
    for item in sweeps:
        _check(item, manner)
    if dry_run:
        for item in sweeps:
            _print_plan(item, manner, format_)
        return DONE
    for item in sweeps:
        for reason in item.left_out:
            say(f"left out: {reason}")
        with local.claim(manner.results, item.name):
            write_manifest(manner.results, item)
            jobs = [job for job, _ in cluster.active(manner.results, item.name)] if manner.site else []
            _measure(_missing(item, manner, jobs), jobs, item, manner)
    if manner.detach:
        say("the jobs go on by themselves; `scalemark status` tells how far they are")
        return DONE
    tables = make_tables(manner.results, [item.name for item in sweeps])
    if manner.against is not None:
        code = manner.against.judge(sweeps, manner.results, format_)
    else:
        code = print_tables(tables, format_)
    kept = [path for table in tables for path in keep_table(manner.results, table)]
    say(f"records: {manner.results / 'runs'}; tables: {', '.join(map(str, kept))}")
    return code


def _check(sweep: Sweep, manner: Manner) -> None:
    """Raise `InputError` for what cannot be measured, before anything is written or started."""
    if manner.site is None:
        plan.check_fits_here(sweep)
    for item in sweep.cases:
        manner.stacks_of(item.case)


def _cannot_run(sweep: Sweep, manner: Manner) -> list[str]:
    """Why backends that were named cannot run bare on this machine, each reason once; other places nobody knows yet."""
    if manner.site is not None:
        return []
    bare = [item.case for item in sweep.cases if all(stack == Stack() for stack in manner.stacks_of(item.case))]
    reasons = {
        f"{case.kernel} on {case.backend}": registry.load(case.kernel).backend(case.backend).missing(case.device)
        for case in bare
    }
    return [f"{name} cannot run here: {reason}" for name, reason in reasons.items() if reason]


def _missing(sweep: Sweep, manner: Manner, jobs: Iterable[Job]) -> list[plan.Launch]:
    """The launches that are neither measured nor in a job that waits or runs."""
    measured = done.finished(manner.results, sweep.name, [item.case for item in sweep.cases], sweep.synchronisation)
    same = [job for job in jobs if job.plan.synchronisation == sweep.synchronisation]
    in_jobs = {launch.key(case): launch.pair for job in same for launch, case in job.runs()}
    if manner.against is not None:
        return manner.against.plan(sweep, measured | in_jobs)
    return plan.plan_launches(sweep, manner.stacks_of, measured | in_jobs)


def _measure(launches: list[plan.Launch], jobs: list[Job], sweep: Sweep, manner: Manner) -> None:
    setting = _make_setting(sweep, manner)
    cases = [item.case for item in sweep.cases]
    if manner.site is None:
        local.run_launches(launches, setting, progress.make_observer(cases))
        return
    submitted = cluster.submit(launches, manner.site, setting)
    for job in submitted:
        say(f"job {job.ticket.job_id}: {job.folder / SCRIPT}")
    if manner.detach:
        return
    observer = progress.make_observer(cases)
    try:
        cluster.follow([*jobs, *submitted], observer)
    except KeyboardInterrupt:
        say("the jobs go on; `scalemark status` tells how far they are, scancel ends them")
        raise
    finally:
        observer.close()


def _make_setting(sweep: Sweep, manner: Manner) -> Setting:
    return Setting(
        results=manner.results,
        sweep=sweep.name,
        budget_s=sweep.budget_s,
        synchronisation=sweep.synchronisation,
        limit_s=manner.limit_s,
        code=source_code.describe(),
    )


def _print_plan(sweep: Sweep, manner: Manner, format_: str) -> None:
    jobs = cluster.look(manner.results, sweep.name) if manner.site else []
    launches = _missing(sweep, manner, [job for job, state in jobs if state.phase != "over"])
    runs = Counter(case.id for launch in launches for case in launch.cases)
    click.echo(status_view.render_plan(sweep, runs, plan.expected_s(launches, sweep.budget_s), format_))
    for reason in [*(f"left out: {reason}" for reason in sweep.left_out), *_cannot_run(sweep, manner)]:
        say(reason)
    if manner.site is not None and format_ == "text":
        for script in cluster.scripts(launches, manner.site, _make_setting(sweep, manner)):
            click.echo(f"\n{script}")
