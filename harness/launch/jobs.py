"""A sweep's batch jobs as folders beside its records: the script, the plan, and what the scheduler made of them.

``<results>/jobs/<sweep>/<job name>/`` holds ``job.sh`` (may be submitted by hand), ``plan.json`` (what it measures),
``job.json`` (its number at the scheduler), ``progress.jsonl`` (what it tells as it runs) and ``job.log``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.case import Case, Scale, Synchronisation
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
    """A job's folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The job's name at the scheduler is the folder's."""
        return self.folder.name

    @property
    def plan(self) -> JobPlan:
        """What the job measures; raises `InputError` when the file that says it is damaged."""
        path = self.folder / PLAN
        try:
            return msgspec.json.decode(path.read_bytes(), type=JobPlan)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: found {error}; right would be the plan of a job") from error

    @property
    def ticket(self) -> Ticket | None:
        """The submission; None when the job was prepared and never submitted."""
        try:
            return msgspec.json.decode((self.folder / TICKET).read_bytes(), type=Ticket)
        except (OSError, msgspec.DecodeError):
            return None

    def keep(self, ticket: Ticket) -> None:
        """Write the ticket."""
        write_atomic(self.folder / TICKET, msgspec.json.encode(ticket))

    def runs(self) -> Iterator[tuple[Launch, Case]]:
        """Every run the job is to do."""
        for launch in self.plan.launches:
            for case in launch.cases:
                yield launch, case

    def progress(self) -> LineReader[Step]:
        """Follows what the job tells as it runs."""
        return LineReader(self.folder / PROGRESS, Step)


def jobs_of(results: Path, sweep: str) -> list[Job]:
    """The jobs of a sweep, oldest first."""
    folder = jobs_folder(results, sweep)
    if not folder.is_dir():
        return []
    return [Job(folder=path.parent) for path in sorted(folder.glob(f"*/{PLAN}"))]


def jobs_folder(results: Path, sweep: str) -> Path:
    """Where a sweep's job folders lie."""
    return results / "jobs" / sweep


class ProgressFile:
    """The observer inside a job: it writes down what the observer outside will read."""

    def __init__(self, folder: Path) -> None:
        self._stream = (folder / PROGRESS).open("ab", buffering=0)

    def planned(self, runs: int) -> None:
        """Nothing: the plan says it."""

    def launch_started(self, scale: Scale, runs: int) -> None:
        """Nothing: the cases will tell of themselves."""

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
