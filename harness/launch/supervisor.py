"""Runs one launch from outside: starts the ranks, watches each case's time limit, and tells how what failed failed.

Whatever happens to the ranks, every case of the launch ends in a record, or in the hands of a new launch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.case import Case, Synchronisation
from harness.images import container, image
from harness.launch import checkout
from harness.launch.last_words import last_words, tells_of_memory
from harness.launch.launchers import Launcher, mpi_environment
from harness.launch.observer import Observer
from harness.launch.plan import Launch, new_launch_id, run_id
from harness.launch.watch import Watch, attend
from harness.store.launch_folder import PLAN, LaunchPlan, PlannedRun, read_plan, write_plan
from harness.store.record import LaunchInfo, Record, Stack, Status, utc_now
from harness.store.write import write_record
from harness.system import processes
from kernels.api import InputError

_LOG = "output.log"
# one a threading library; read when the library loads, so the ranks are born with them
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class AllocationLost(Exception):
    """The scheduler is taking the nodes away: what it says of the job will explain the cases that are left."""


class Setting(Struct, frozen=True, kw_only=True):
    """What all launches of a sweep share. ``limit_s`` bounds each case, from its preparation to its record.

    ``allocation`` names the batch job, if it is one; ``binds`` are folders that images see, ``variables`` names of the
    environment that they see beside the usual ones.
    """

    results: Path
    sweep: str
    budget_s: float
    limit_s: float
    code: dict[str, Any]
    synchronisation: Synchronisation = "barrier"
    allocation: str = ""
    binds: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def run_launch(launch: Launch, launcher: Launcher, setting: Setting, observer: Observer) -> None:
    """Measure every case of the launch. Ranks that die or hang lose only the case they were at: others go on anew.

    Raises `AllocationLost` when the ranks were ended by the scheduler.
    """
    cases = list(launch.cases)
    while cases:
        cases = _run_processes(launch, cases, launcher, setting, observer)


def _run_processes(
    launch: Launch, cases: list[Case], launcher: Launcher, setting: Setting, observer: Observer
) -> list[Case]:
    """Start one set of processes for ``cases``; returns the cases it did not get to."""
    launch_id = new_launch_id()
    folder = setting.results / "launches" / setting.sweep / launch_id
    plan = _make_plan(launch, launch_id, cases, launcher, setting)
    if changed := _image_has_changed(launch.stack):
        _fail(setting.results, plan, dict.fromkeys(range(len(cases)), ("failed", changed)), observer)
        return []
    write_plan(folder, plan)
    watch = Watch(plan.runs, observer)
    observer.launch_started(launch.scale, len(cases))
    killed_before = processes.out_of_memory_kills()
    program, environment = _rank_program(launch, folder, setting)
    process = processes.start(launcher.command(launch.scale, program), environment, folder / _LOG)
    late = attend(process, launcher, folder, watch, setting.limit_s)
    if process.returncode != 0 and (lost := launcher.lost_allocation()):
        raise AllocationLost(lost)
    starved = processes.out_of_memory_kills() > killed_before or tells_of_memory(folder / _LOG)
    failures = _judge(watch, plan, process.returncode, late, starved, folder / _LOG)
    _fail(setting.results, plan, failures, observer)
    _tidy(folder, failed=bool(failures))
    done = watch.ended | set(failures)
    return [planned.case for index, planned in enumerate(plan.runs) if index not in done]


def clear_interrupted(results: Path, sweep: str, allocation: str = "") -> None:
    """Delete what launches of a sweep in a batch job (on this machine where none is named) left when their supervisor
    was killed or lost its nodes; none may be under way.
    """
    for path in (results / "launches" / sweep).glob(f"*/{PLAN}"):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            if read_plan(path.parent).launch.allocation == allocation:
                shutil.rmtree(path.parent)


def _tidy(folder: Path, failed: bool) -> None:
    """Delete the folder of a launch that is over; of one that failed the log and the ranks' events stay as evidence."""
    if failed:
        # what has no plan is no launch under way, see `clear_interrupted`
        (folder / PLAN).unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _make_plan(launch: Launch, launch_id: str, cases: list[Case], launcher: Launcher, setting: Setting) -> LaunchPlan:
    return LaunchPlan(
        sweep=setting.sweep,
        results=str(setting.results.resolve()),
        launch=LaunchInfo(
            id=launch_id,
            repeat=launch.repeat,
            launcher=launcher.name,
            allocation=setting.allocation,
            pair=launch.pair,
        ),
        scale=launch.scale,
        stack=launch.stack,
        budget_s=setting.budget_s,
        synchronisation=setting.synchronisation,
        code=launch.code or setting.code,
        threads_call_mpi=any(case.threads_call_mpi for case in cases),
        runs=[PlannedRun(case=case, run_id=run_id(launch_id, launch.repeat)) for case in cases],
    )


def _image_has_changed(stack: Stack) -> str:
    """A sentence when the image is no longer the one that records will name; one that is unchanged costs a look."""
    if not stack.sha256 or stack.is_tree:
        return ""
    try:
        found = image.inspect(Path(stack.path)).sha256
    except InputError as error:
        return str(error)
    if found == stack.sha256:
        return ""
    return f"{stack.path}: the image has changed since it was asked for: {stack.sha256[:12]}... is now {found[:12]}..."


def _rank_program(launch: Launch, folder: Path, setting: Setting) -> tuple[list[str], dict[str, str]]:
    """What each rank runs, and the environment that all of them see."""
    threads = dict.fromkeys(_THREAD_VARIABLES, str(launch.scale.threads))
    if launch.stack.is_tree:
        environment = checkout.environment(launch.stack.path)
        return container.bare_command(folder), environment | threads | mpi_environment()
    if not launch.stack.sha256:
        return container.bare_command(folder), os.environ | threads | mpi_environment()
    environment = container.environment(setting.variables)
    return container.rank_command(launch.stack, launch.scale, folder, setting.binds), environment | threads


def _judge(
    watch: Watch, plan: LaunchPlan, code: int, late: bool, starved: bool, log: Path
) -> dict[int, tuple[Status, str]]:
    """A status and a sentence for every run that failed; a run nobody began is in here only if nobody ever could."""
    failures: dict[int, tuple[Status, str]] = {
        index: (event.status, f"rank {event.rank}: {event.message}") for index, event in watch.errors.items()
    }
    unreached = [index for index in range(len(plan.runs)) if index not in watch.ended and index not in failures]
    if watch.current is not None and watch.current in unreached:
        failures[watch.current] = _judge_current(code, late, starved, log)
    elif unreached and watch.world_sizes - {plan.scale.ranks}:
        seen = ", ".join(str(size) for size in sorted(watch.world_sizes))
        message = (
            f"asked for {plan.scale.ranks} ranks, but MPI counted {seen}: the launcher ({plan.launch.launcher}) and "
            "the MPI library of the ranks do not know each other; run `scalemark doctor`"
        )
        failures |= dict.fromkeys(unreached, ("failed", message))
    elif unreached and not watch.ended and not watch.errors:
        reason = "the ranks did not start in time" if late else f"the ranks did not start: {last_words(code, log)}"
        failures |= dict.fromkeys(unreached, ("timeout" if late else "failed", reason))
    return failures


def _judge_current(code: int, late: bool, starved: bool, log: Path) -> tuple[Status, str]:
    if late:
        return "timeout", f"the case passed its time limit and was ended; {log} holds the ranks' output"
    if starved:
        return "out_of_memory", "a rank was killed because the memory of its machine or job ran out"
    return "failed", f"a rank ended in the middle of the case: {last_words(code, log)}"


def _fail(results: Path, plan: LaunchPlan, failures: dict[int, tuple[Status, str]], observer: Observer) -> None:
    for index, (status, message) in failures.items():
        _write_failure(results, plan, index, status, message)
        observer.run_ended(plan.runs[index].case, status, message)


def _write_failure(results: Path, plan: LaunchPlan, index: int, status: Status, message: str) -> None:
    planned = plan.runs[index]
    launch = msgspec.structs.replace(plan.launch, position=index)
    write_record(
        results,
        Record(
            run_id=planned.run_id,
            sweep=plan.sweep,
            case=planned.case,
            stack=plan.stack,
            launch=launch,
            status=status,
            message=message,
            synchronisation=plan.synchronisation,
            ended=utc_now(),
        ),
    )
