"""What the supervisor and the ranks of one launch tell each other, as files of one folder.

The supervisor writes the plan; each rank appends its events to a file of its own. Files work under every launcher and
on every cluster file system, where pipes and ports do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from harness.case import Case, Scale, Synchronisation
from harness.store.lines import LineReader
from harness.store.record import LaunchInfo, Stack, Status
from harness.store.write import write_atomic

PLAN = "plan.json"


class PlannedRun(Struct, frozen=True, kw_only=True):
    """One case of a launch and the id of the record it will leave."""

    case: Case
    run_id: str


class LaunchPlan(Struct, frozen=True, kw_only=True):
    """One set of processes and the runs they do, in order. ``code`` says which source code the host started from.

    ``threads_call_mpi`` when any of the runs needs it; see `kernels.api.Backend`.
    """

    sweep: str
    results: str
    launch: LaunchInfo
    scale: Scale
    stack: Stack
    budget_s: float
    synchronisation: Synchronisation
    code: dict[str, Any]
    threads_call_mpi: bool = False
    runs: list[PlannedRun]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a rank's event file.

    ``ready`` tells the world size the rank sees; ``start`` and ``end`` belong to the run of that index, and another
    ``start`` says by its message what else takes time, ``of_launch`` when that is not the run's own; ``error`` is the
    last word of a rank that could not go on with the run.
    """

    kind: Literal["ready", "start", "end", "error"]
    run: int = -1
    rank: int = 0
    world_size: int = 0
    status: Status = "ok"
    message: str = ""
    of_launch: bool = False
    check_passed: bool = True


def write_plan(folder: Path, plan: LaunchPlan) -> None:
    """Put the plan where the ranks look for it."""
    write_atomic(folder / PLAN, msgspec.json.encode(plan))


def read_plan(folder: Path) -> LaunchPlan:
    """The plan of a launch folder."""
    return msgspec.json.decode((folder / PLAN).read_bytes(), type=LaunchPlan)


class EventWriter:
    """A rank's own event file, flushed line by line."""

    def __init__(self, folder: Path, rank: int, process: str) -> None:
        self._stream = (folder / f"events.{rank}.{process}.jsonl").open("ab", buffering=0)
        self._rank = rank
        self._run = -1

    def write(self, kind: str, **fields: Any) -> None:
        """Append one event."""
        event = msgspec.convert({"kind": kind, "rank": self._rank, **fields}, Event)
        self._run = event.run
        self._stream.write(msgspec.json.encode(event) + b"\n")

    def tell(self, doing: str) -> None:
        """Say what takes time in the run under way."""
        self.write("start", run=self._run, message=doing)

    def tell_of_launch(self, doing: str) -> None:
        """Say what takes time and is not counted against the run under way."""
        self.write("start", run=self._run, message=doing, of_launch=True)


class EventReader:
    """Follows the event files of a launch as they grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[Path, LineReader[Event]] = {}

    def read(self) -> list[Event]:
        """Events that came since the last call, each file's in order."""
        for path in self._folder.glob("events.*.jsonl"):
            if path not in self._readers:
                self._readers[path] = LineReader(path, Event)
        return [event for _, reader in sorted(self._readers.items()) for event in reader.read()]
