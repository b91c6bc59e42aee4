"""The program of a batch job: ``python -m harness.launch.batch JOB_FOLDER``.

The same supervisor as on a laptop, with the cluster's launcher. It measures what the plan names and the records lack,
so a job that is requeued, or submitted again by hand, goes on where it stopped.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from harness.launch.jobs import JobPlan, ProgressFile, Ticket, keep_ticket, read_plan, read_ticket
from harness.launch.launchers import Alone, Launcher, Mpiexec, Srun
from harness.launch.plan import Launch, left_over
from harness.launch.supervisor import AllocationLost, Setting, run_launch
from harness.store.done import finished
from harness.store.record import utc_now

ENDED_EARLY = 75


def main(folder: Path) -> int:
    """Run the job; the exit code only tells that the plan was worked through, the records tell the rest."""
    signal.signal(signal.SIGTERM, _end)
    plan = read_plan(folder)
    _keep_own_ticket(folder)
    observer = ProgressFile(folder)
    try:
        for launch in _missing(plan):
            run_launch(launch, make_launcher(plan, launch), _setting(plan, folder.name), observer)
    except (AllocationLost, KeyboardInterrupt) as error:
        print(f"scalemark: the allocation is going away: {error}", file=sys.stderr)
        return ENDED_EARLY
    finally:
        observer.close()
    return 0


def make_launcher(plan: JobPlan, launch: Launch) -> Launcher:
    """What starts ranks in this job."""
    if launch.scale.ranks == 1 and plan.site.launcher == "mpiexec":
        return Alone()
    return Srun(plan.site.pmi) if plan.site.launcher == "srun" else Mpiexec()


def _keep_own_ticket(folder: Path) -> None:
    """See to it that sweeps know of this job also when it was submitted by hand, or who submitted it was killed."""
    job_id, ticket = os.environ.get("SLURM_JOB_ID"), read_ticket(folder)
    if job_id and (ticket is None or ticket.job_id != job_id or ticket.outcome):
        keep_ticket(folder, Ticket(job_id=job_id, submitted=utc_now()))


def _setting(plan: JobPlan, allocation: str) -> Setting:
    return Setting(
        results=Path(plan.results),
        sweep=plan.sweep,
        budget_s=plan.budget_s,
        synchronisation=plan.synchronisation,
        limit_s=plan.limit_s,
        code=plan.code,
        allocation=allocation,
        binds=plan.site.binds,
        variables=tuple(plan.site.environment),
    )


def _missing(plan: JobPlan) -> list[Launch]:
    cases = [case for launch in plan.launches for case in launch.cases]
    done = finished(Path(plan.results), plan.sweep, cases, plan.synchronisation)
    return left_over(plan.launches, done)


def _end(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt(f"signal {signal.Signals(signum).name}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
