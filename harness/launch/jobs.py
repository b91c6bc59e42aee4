"""A sweep's batch jobs as folders beside its records: the script, the plan, and what the scheduler made of them.

``<results>/jobs/<sweep>/<job name>/`` holds ``job.sh`` (may be submitted by hand), ``plan.json`` (what it measures),
``job.json`` (its number at the scheduler, kept by whoever submits it and by the job itself), ``progress.jsonl`` (what
it tells as it runs) and ``job.log``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.case import Case, Synchronisation
from harness.launch.observer import Silence
from harness.launch.plan import Launch
from harness.launch.site import Site
from harness.store.lines import LineReader
from harness.store.record import Status
from harness.store.write import write_atomic
from kernels.api import InputError

SCRIPT, PLAN, TICKET, PROGRESS, LOG = "job.sh", "plan.json", "job.json", "progress.jsonl", "job.log"


class JobPlan(Struct, frozen=True, kw_only=True):
    """What one job measures: all launches of one node count."""

    sweep: str
    results: str
    nodes: int
    budget_s: float
    limit_s: float
    code: dict[str, Any]
    site: Site
    launches: list[Launch]
    synchronisation: Synchronisation = "barrier"


class Ticket(Struct, frozen=True, kw_only=True):
    """A submitted job: its number, when (UTC), and, once it is over and accounted for, how it ended."""

    job_id: str
    submitted: str
    outcome: str = ""


class Step(Struct, frozen=True, kw_only=True):
    """One line of a job's progress: a case begun (no status) or ended."""

    case_id: str
    status: Status | None = None
    message: str = ""


class Job(Struct, frozen=True, kw_only=True):
    """A job that was submitted, as its folder tells; ``name`` is the folder's."""

    folder: Path
    plan: JobPlan
    ticket: Ticket

    @property
    def name(self) -> str:
        """What records call the allocation."""
        return self.folder.name

    def runs(self) -> Iterator[tuple[Launch, Case]]:
        """Every run the job is to do."""
        for launch in self.plan.launches:
            for case in launch.cases:
                yield launch, case

    def progress(self) -> LineReader[Step]:
        """Follows what the job tells as it runs."""
        return LineReader(self.folder / PROGRESS, Step)


def read_plan(folder: Path) -> JobPlan:
    """What the job of a folder measures; raises `InputError` when the file that says it is damaged."""
    path = folder / PLAN
    try:
        return msgspec.json.decode(path.read_bytes(), type=JobPlan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: found {error}; right would be the plan of a job") from error


def read_ticket(folder: Path) -> Ticket | None:
    """The submission; None when the job was prepared and, as far as its folder knows, never submitted."""
    try:
        return msgspec.json.decode((folder / TICKET).read_bytes(), type=Ticket)
    except (OSError, msgspec.DecodeError):
        return None


def keep_ticket(folder: Path, ticket: Ticket) -> None:
    """Write the ticket."""
    write_atomic(folder / TICKET, msgspec.json.encode(ticket))


def open_jobs(results: Path, sweep: str) -> list[Job]:
    """The submitted jobs of a sweep that are not accounted for, oldest first.

    Raises `InputError` for a damaged plan.
    """
    tickets = [(folder, read_ticket(folder)) for folder in job_folders(results, sweep)]
    return [
        Job(folder=folder, plan=read_plan(folder), ticket=ticket)
        for folder, ticket in tickets
        if ticket is not None and not ticket.outcome
    ]


def job_folders(results: Path, sweep: str) -> list[Path]:
    """The folders of a sweep's jobs, submitted or not, oldest first."""
    return [path.parent for path in sorted(jobs_folder(results, sweep).glob(f"*/{PLAN}"))]


def jobs_folder(results: Path, sweep: str) -> Path:
    """Where a sweep's job folders lie."""
    return results / "jobs" / sweep


class ProgressFile(Silence):
    """The observer inside a job: it writes down what the observer outside will read."""

    def __init__(self, folder: Path) -> None:
        self._stream = (folder / PROGRESS).open("ab", buffering=0)

    def run_started(self, case: Case, doing: str = "") -> None:
        """Tell that a case has begun."""
        self._write(Step(case_id=case.id, message=doing))

    def run_ended(self, case: Case, status: Status, message: str) -> None:
        """Tell that a case has left its record."""
        self._write(Step(case_id=case.id, status=status, message=message))

    def close(self) -> None:
        """Nothing more will come."""
        self._stream.close()

    def _write(self, step: Step) -> None:
        self._stream.write(msgspec.json.encode(step) + b"\n")
