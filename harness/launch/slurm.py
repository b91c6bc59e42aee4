"""Slurm: asking for jobs, learning what became of them, ending them. The only file by which sweeps speak with it."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from harness.launch.jobs import LOG, SCRIPT, JobPlan
from harness.launch.plan import expected_s
from harness.store.record import Status
from kernels.api import InputError

# a submission may run a site's own filters; a question is asked again anyhow
_SUBMIT_LIMIT_S, _QUESTION_LIMIT_S = 120, 20
# a first launch of its kind compiles and calibrates, with more ranks than cores where nodes are small
_LAUNCH_ALLOWANCE_S = 60
_NO_ANSWER = re.compile("Unable to contact slurm controller|Connection refused|timed out|Socket|not responding", re.I)
Phase = Literal["waiting", "running", "over"]
# Slurm's job states (`man sacct`, JOB STATE CODES) as statuses of the cases they left undone; judged by State and never
# by exit code, which is 0:0 for most of these
_LOST: dict[str, tuple[Status, str]] = {
    "BOOT_FAIL": ("node_failure", "a node of the job did not boot"),
    "CANCELLED": ("cancelled", "the job was cancelled"),
    "COMPLETED": ("failed", "the job completed without measuring the case"),
    "DEADLINE": ("timeout", "the job passed its deadline"),
    "FAILED": ("failed", "the job failed"),
    "LAUNCH_FAILED": ("failed", "the job could not be started on its nodes"),
    "NODE_FAIL": ("node_failure", "a node of the job failed"),
    "OUT_OF_MEMORY": ("out_of_memory", "the job ran out of memory"),
    "PREEMPTED": ("cancelled", "the job was preempted"),
    "REVOKED": ("cancelled", "the job was revoked"),
    "TIMEOUT": ("timeout", "the job reached its time limit"),
}
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
_RUNNING = ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")


class SchedulerDown(InputError):
    """The scheduler did not answer; jobs go on all the same, so asking again later is the right thing to do."""

    def __init__(self, said: str) -> None:
        super().__init__(f"Slurm does not answer: {said}; once it does, the same command goes on")


class JobState(Struct, frozen=True, kw_only=True):
    """What Slurm says of a job: its State in Slurm's own word, and the reason it gives."""

    state: str
    reason: str = ""

    @property
    def phase(self) -> Phase:
        """Whether the job is still to come, there, or over; one that nobody knows any longer is over."""
        if self.state in _WAITING:
            return "waiting"
        if self.state in _RUNNING:
            return "running"
        return "over"

    @property
    def verdict(self) -> tuple[Status, str]:
        """The status and the sentence of a case that the job left undone."""
        return _LOST.get(self.state, ("failed", "Slurm no longer knows the job"))


def script(folder: Path, plan: JobPlan) -> str:
    """The batch script of the job in ``folder``; what it needs and cannot have ends it.

    Every word that comes from a user or a path is quoted, but for the site's own script lines. Raises `InputError` for
    a path that no script can hold.
    """
    site = plan.site
    for path in (folder, Path.cwd()):
        if any(ord(letter) < 32 for letter in str(path)):
            raise InputError(f"{str(path)!r}: a path with a line break cannot stand in a batch script")
    if "\\" in str(folder):
        # Slurm takes them out of the name of a log, however they are quoted
        raise InputError(f"{folder}: Slurm can write no log into a path with a backslash; name another with --results")
    ranks = max(launch.scale.ranks_per_node for launch in plan.launches)
    # as many as the case that needs most, not as one of most ranks and most threads would
    cores = max(launch.scale.ranks_per_node * launch.scale.threads for launch in plan.launches)
    # a time limit a good deal above what is expected: waiting for the limit costs nothing, losing a job does
    wanted_s = 2 * expected_s(plan.launches, plan.budget_s) + _LAUNCH_ALLOWANCE_S * len(plan.launches) + plan.limit_s
    minutes = max(1, int(min(site.job_limit_s, wanted_s)) // 60)
    options = {
        "job-name": job_name(folder),
        "nodes": plan.nodes,
        "ntasks-per-node": ranks,
        "cpus-per-task": math.ceil(cores / ranks),
        "time": int(minutes),
        "output": shlex.quote(str(folder / LOG).replace("%", "%%")),
        "open-mode": "append",
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "constraint": site.constraint and shlex.quote(site.constraint),
        "gpus-per-node": site.gpus_per_node or None,
    }
    lines = ["#!/bin/bash"]
    lines += [f"#SBATCH --{name}={value}" for name, value in options.items() if value is not None]
    lines += [f"#SBATCH {option}" for option in site.options]
    # each line ends the job that fails: other software, or another folder, would be measured without a word
    setup = [f"cd {shlex.quote(str(Path.cwd()))}", *site.script]
    setup += [f"module load {shlex.quote(module)}" for module in site.modules]
    lines += ["", *(f"{line} || exit 1" for line in setup)]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in site.environment.items()]
    lines.append(f"exec {shlex.join([site.python or sys.executable, '-m', 'harness.launch.batch', str(folder)])}")
    return "\n".join(lines) + "\n"


def job_name(folder: Path) -> str:
    """What Slurm calls the job of a folder."""
    return f"scalemark-{folder.name}"


def submit(folder: Path) -> str:
    """Hand the script of a job's folder to Slurm; returns the job's number.

    Raises `InputError` with Slurm's own words when it refuses the job, `SchedulerDown` when it does not answer.
    """
    done = _call("sbatch", "--parsable", str(folder / SCRIPT))
    if done.returncode != 0:
        said = " / ".join(line.removeprefix("sbatch: error: ") for line in done.stderr.splitlines())
        raise InputError(f"{folder / SCRIPT}: Slurm refuses the job: {said}; see the site file and --nodes")
    return done.stdout.strip().split(";")[0]


def states(job_ids: Iterable[str]) -> dict[str, JobState]:
    """What Slurm says of each job: from the controller's memory, then from the accounting, where there is some.

    A job that neither knows has the state "UNKNOWN". Raises `SchedulerDown` when the controller does not answer.
    """
    wanted = set(job_ids)
    if not wanted:
        return {}
    found = {job_id: state for job_id, state in _parse(_own_jobs("all", "%A|%T|%r")) if job_id in wanted}
    if lost := wanted - found.keys():
        account = _call("sacct", "-X", "-n", "-P", f"--jobs={','.join(sorted(lost))}", "--format=JobIDRaw,State,Reason")
        if account.returncode == 0:
            found |= dict(_parse(account.stdout))
    return {job_id: found.get(job_id, JobState(state="UNKNOWN")) for job_id in wanted}


def numbers() -> dict[str, str]:
    """The numbers of this user's jobs that wait or run, by name."""
    rows = [line.partition("|") for line in _own_jobs("pending,running", "%A|%j").splitlines()]
    return {name: job_id for job_id, _, name in rows}


def cancel(job_id: str) -> None:
    """End a job, if Slurm still has it."""
    _call("scancel", job_id)


def lost_allocation() -> str:
    """The state of the job that this process runs in, when it is no longer running; else nothing."""
    job_id = os.environ.get("SLURM_JOB_ID", "")
    try:
        state = states([job_id])[job_id] if job_id else JobState(state="RUNNING")
    except SchedulerDown:
        return ""
    return "" if state.state == "RUNNING" else f"job {job_id} is {state.state}"


def end_steps() -> None:
    """End what still runs of this job's steps: ranks outlive an srun that was killed."""
    job_id = os.environ.get("SLURM_JOB_ID")
    if job_id is None:
        return
    try:
        steps = _call("squeue", "--noheader", "--steps", f"--jobs={job_id}", "--format=%i").stdout.split()
        for step in steps:
            if step.partition(".")[2].isdigit():
                _call("scancel", "--signal=KILL", step)
    except SchedulerDown:
        return


def is_here() -> bool:
    """Whether Slurm's commands are on this machine."""
    return shutil.which("sbatch") is not None


def _own_jobs(states: str, form: str) -> str:
    # by number: LOGNAME and USER name somebody else after sudo or su
    queue = _call("squeue", "--noheader", f"--states={states}", f"--user={os.getuid()}", f"--format={form}")
    if queue.returncode != 0:
        raise SchedulerDown(queue.stderr.strip())
    return queue.stdout


def _parse(output: str) -> list[tuple[str, JobState]]:
    """Lines of number, state and reason; ``CANCELLED by 0`` is CANCELLED."""
    rows = [line.split("|", 2) for line in output.splitlines() if line.count("|") >= 2]
    return [(job_id, JobState(state=state.split()[0].rstrip("+"), reason=reason)) for job_id, state, reason in rows]


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    limit_s = _SUBMIT_LIMIT_S if command[0] == "sbatch" else _QUESTION_LIMIT_S
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except FileNotFoundError as error:
        raise InputError(f"no command {command[0]} here: --site needs a machine that can submit to Slurm") from error
    except subprocess.TimeoutExpired as error:
        raise SchedulerDown(f"{command[0]} gave no answer in {limit_s} s") from error
    if done.returncode != 0 and _NO_ANSWER.search(done.stderr):
        raise SchedulerDown(done.stderr.strip().splitlines()[0])
    return done
