"""A site's settings against the cluster: what the site file says, and a job of two ranks that really runs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.doctor import trial
from harness.doctor.finding import Area, Finding
from harness.doctor.slurm import mpi_types
from harness.images.stacks import open_image
from harness.launch import cluster, slurm
from harness.launch.jobs import LOG, SCRIPT, Job
from harness.launch.plan import Launch
from harness.launch.site import Site
from harness.store.record import Stack
from kernels.api import InputError

AREA = Area("site")
# a trial that the queue does not take in by then is given up: doctor answers while somebody waits
WAIT_S = 60.0
_POLL_S = 0.5
_RANKS = 2


def examine_settings(site: Site, types: list[str]) -> Iterator[Finding]:
    """What can be told from the site file alone; ``types`` are what ``srun --mpi`` knows."""
    if site.launcher == "srun" and types and site.pmi not in types:
        yield AREA.error(
            "pmi", f"the site says {site.pmi}, srun knows {', '.join(types)}", "srun refuses to start the ranks",
            "set pmi in the site file to one that srun knows and the ranks' MPI speaks (MPICH: pmi2, Open MPI: pmix)",
        )  # fmt: skip
    absent = [bind for bind in site.binds if not Path(bind).exists()]
    if absent:
        yield AREA.warning(
            "binds", f"not on this machine: {', '.join(absent)}",
            "an image does not start where such a folder is absent",
            "look whether the compute nodes have them, else take them out of the site file",
        )  # fmt: skip
    if not absent and (site.launcher != "srun" or site.pmi in types):
        yield AREA.ok(
            "settings", f"ranks by {site.launcher}" + (f" --mpi={site.pmi}" if site.launcher == "srun" else "")
        )


def examine_job(site: Site, image: Path | None, results: Path) -> Iterator[Finding]:
    """Submit a job of two ranks on one node, as a sweep would, and count them."""
    try:
        stack = open_image(image) if image else Stack()
    except InputError:
        # the examination of the image itself tells this
        return
    place = next(path for path in (results.absolute(), *results.absolute().parents) if path.is_dir())
    folder = Path(tempfile.mkdtemp(prefix=".scalemark-doctor-", dir=place))
    launch = trial.make_launch(_RANKS, stack)
    subject = f"{stack.name}: two ranks"
    try:
        job = cluster.submit([launch], site, trial.make_setting(folder, site.binds))[0]
    except InputError as error:
        shutil.rmtree(folder, ignore_errors=True)
        told = str(error).rpartition(f"{SCRIPT}: ")[2]
        yield AREA.error(
            subject, told, "every job of a sweep is submitted alike",
            "mend the site file: partition, account, qos, constraint and options as this cluster knows them",
        )  # fmt: skip
        return
    yield from _follow(job, launch, folder, subject)


def _follow(job: Job, launch: Launch, folder: Path, subject: str) -> Iterator[Finding]:
    state = _wait(job)
    if state.phase == "waiting":
        slurm.cancel(job.ticket.job_id)
        shutil.rmtree(folder, ignore_errors=True)
        yield AREA.note(
            subject, f"still waits after {WAIT_S:.0f} s ({state.reason}), and was cancelled",
            "whether its ranks would have met is not known", "ask again when the cluster is less busy",
        )  # fmt: skip
        return
    if state.phase == "running":
        slurm.cancel(job.ticket.job_id)
        state = slurm.JobState(state="TIMEOUT")
    cluster.settle(job, state)
    yield from trial.judge(
        AREA, subject, trial.collect(folder, launch),
        "set pmi, modules and environment in the site file to what the ranks' MPI wants (MPICH: pmi2, Open MPI: pmix); "
        f"what the job said is in {job.folder / LOG}",
    )  # fmt: skip


def _wait(job: Job) -> slurm.JobState:
    """The job's state when it is over, or when time is up: while it waits, and again while it runs."""
    job_id = job.ticket.job_id
    state = slurm.states([job_id])[job_id]
    for phase in ("waiting", "running"):
        deadline = time.monotonic() + WAIT_S
        while state.phase == phase and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            state = slurm.states([job_id])[job_id]
    return state


def site_types(site: Site) -> list[str]:
    """What ``srun --mpi`` knows, asked only when the site starts ranks with srun."""
    return mpi_types() if site.launcher == "srun" and slurm.is_here() else []
