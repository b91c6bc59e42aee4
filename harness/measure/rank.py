"""The program every rank of a launch runs: ``python -m harness.measure.rank LAUNCH_FOLDER``.

A rank starts, says which world it sees, and does the runs of the plan one after another. Rank 0 writes each record the
moment its run is finished. What goes wrong in a job of several ranks cannot be mended from inside, where other ranks
already wait in a collective: the rank says what happened and ends the launch; the supervisor starts another for the
rest.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.measure.hearing import hear
from harness.measure.placement import place
from harness.measure.shared_memory import take_names_away
from harness.measure.world import start_mpi
from harness.system.lifetime import die_with

if TYPE_CHECKING:
    from harness.measure.case_run import Circumstances
    from harness.store.launch_folder import EventWriter, LaunchPlan

WRONG_WORLD = 78
_BROKEN = 70


def main(folder: Path) -> int:
    """Do every run of the plan in ``folder``; returns the exit code."""
    die_with(os.getppid())
    from harness.store.launch_folder import EventWriter, read_plan

    plan = read_plan(folder)
    comm = start_mpi(plan.threads_call_mpi)
    take_names_away(comm)
    events = EventWriter(folder, comm.rank, f"{os.uname().nodename}-{os.getpid()}")
    events.write("ready", world_size=comm.size)
    if comm.size != plan.scale.ranks:
        return WRONG_WORLD
    if comm.rank == 0:
        hear(events.tell)
    here = _circumstances(plan, comm, place(comm.rank, plan.scale), events)
    for index in range(len(plan.runs)):
        _do_run(plan, index, comm, here, events)
        gc.collect()
    return 0


def _circumstances(plan: LaunchPlan, comm: Any, placement: dict[str, Any], events: EventWriter) -> Circumstances:
    from harness.measure.case_run import Circumstances
    from harness.measure.clock import measure_timer
    from harness.measure.energy import EnergyMeter
    from harness.measure.environment import describe
    from harness.measure.limits import LaunchLimits
    from harness.measure.sampling import Sampling
    from harness.measure.synchronisation import make_synchroniser
    from harness.store import source_code

    environment = describe(comm, placement, source_code.that_ran(plan.code))
    return Circumstances(
        sweep=plan.sweep,
        launch=plan.launch,
        stack=plan.stack,
        timer=measure_timer(),
        environment=environment,
        sampling=Sampling(budget_s=plan.budget_s),
        synchroniser=make_synchroniser(plan.synchronisation, comm),
        limits=LaunchLimits(Path(plan.results), comm, plan.scale, plan.stack, environment, tell=events.tell_of_launch),
        energy=EnergyMeter(comm, placement["local_rank"]),
    )


def _do_run(plan: LaunchPlan, index: int, comm: Any, here: Circumstances, events: EventWriter) -> None:
    from harness.measure.case_run import Unavailable, run_case, status_of
    from harness.store.write import write_record

    planned = plan.runs[index]
    if comm.rank == 0:
        events.write("start", run=index)
    try:
        record = run_case(planned.case, planned.run_id, comm, here, index)
        if record is not None:
            write_record(Path(plan.results), record)
            passed = record.check is not None and record.check.passed
            events.write("end", run=index, message=record.message, check_passed=passed)
    except Unavailable as error:
        events.write("error", run=index, status="unavailable", message=str(error))
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        try:
            events.write("error", run=index, status=status_of(error), message=message)
        finally:
            if comm.size > 1:
                comm.Abort(_BROKEN)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
