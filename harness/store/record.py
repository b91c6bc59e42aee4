"""The record: what one run of one case leaves behind. Written once, never edited; see ``docs/record.md``."""

from __future__ import annotations

import datetime
from typing import Any, Literal

from msgspec import Struct

from harness.case import Case, Synchronisation
from kernels.api import Check, Figure, Work

# rises when a field changes its meaning or leaves; a reader refuses what is newer than itself
SCHEMA = 1

Status = Literal["ok", "failed", "timeout", "out_of_memory", "node_failure", "cancelled", "unavailable"]
# case id, stack key, repeat
RunKey = tuple[str, str, int]
# sweep, case id, stack key, synchronisation, kernel version: what the launches of one table row share
RowKey = tuple[str, str, str, Synchronisation, int]


class Stack(Struct, frozen=True, kw_only=True):
    """The software a launch ran in: the bare environment, an image named by its SHA-256, or a tree of our source code.

    ``path`` is where the image or the tree lay at the time; it tells no two stacks apart. A tree's ``name`` ends in the
    commit, or the digest of its kernels where it may be edited.
    """

    name: str = "bare"
    sha256: str = ""
    path: str = ""

    @property
    def key(self) -> str:
        """What tells two stacks apart: the image's content, not its name."""
        return self.sha256[:12] or self.name

    @property
    def is_tree(self) -> bool:
        """Whether ranks import our source code from ``path`` and share all else with the bare environment."""
        return bool(self.path) and not self.sha256


class LaunchInfo(Struct, frozen=True, kw_only=True):
    """The launch a run was part of.

    ``position`` counts the run's place in the shuffled order; ``allocation`` names the batch job, if it was one.
    ``pair`` is the same in two launches, of two stacks, that followed each other closely to be compared as a pair.
    """

    id: str
    repeat: int
    launcher: str
    position: int = 0
    allocation: str = ""
    pair: str = ""


class Stopping(Struct, frozen=True, kw_only=True):
    """Why sampling ended. ``relative_interval`` is half the 95 % interval of the median over the median.

    It converged only after ``least_samples`` and ``least_s`` seconds of sampling.
    """

    reason: Literal["converged", "budget", "most_samples"]
    relative_interval: float | None
    target: float
    budget_s: float
    least_samples: int = 0
    least_s: float = 0.0
    unmet: str = ""


class Timer(Struct, frozen=True, kw_only=True):
    """The clock and what it costs: seconds between distinct readings, and seconds a reading takes."""

    clock: str
    resolution_s: float
    cost_s: float


class ClockModel(Struct, frozen=True, kw_only=True):
    """A rank's clock: ahead of rank 0's by ``offset_s`` at ``at_s`` on its own, and by ``drift`` more each second.

    ``error_s`` is the median distance from the model to exchanges of messages that it had not been fitted to yet;
    ``round_trip_s`` the quickest exchange, half of which bounds the error of a single one.
    """

    offset_s: float
    drift: float
    at_s: float
    error_s: float
    round_trip_s: float


class Window(Struct, frozen=True, kw_only=True):
    """How windows on synchronised clocks went: a model a rank, in rank order, and the last windows' length in seconds.

    A window that a step was too long for is ``expired``; that step counts, the next may miss its own window.
    """

    length_s: float
    expired: int
    clocks: list[ClockModel]


class Environment(Struct, frozen=True, kw_only=True):
    """Enough for a stranger to say why two results differ."""

    hosts: list[str]
    cpu: dict[str, Any]
    memory_bytes: int
    gpus: list[str]
    operating_system: str
    python: str
    libraries: dict[str, str]
    mpi: dict[str, Any]
    code: dict[str, Any]
    placement: dict[str, Any]
    variables: dict[str, str]
    load_average: float
    slurm: dict[str, str] = {}


class Record(Struct, frozen=True, kw_only=True):
    """One run of one case. All times are seconds on the slowest rank; ``samples_s`` is in execution order.

    Samples at the places ``missed_window`` (from 0) did not begin together; they are kept and do not count.
    ``rank_median_s`` holds one median a rank, so that imbalance can be shown, and ``rank_samples_s`` of several ranks
    each one's own times, in the order of ``samples_s``: of every step, or of every k-th where they would be too many,
    the first among them. ``started`` and ``ended`` are UTC,
    ISO 8601. A run that did not finish has no samples, and its ``message`` says why. ``calibration`` is a sentence on
    where the ``limits`` come from, or why there are none.
    """

    schema: int = SCHEMA
    run_id: str
    sweep: str
    case: Case
    stack: Stack
    launch: LaunchInfo
    status: Status
    message: str = ""
    samples_s: list[float] = []
    warmup_s: list[float] = []
    rank_median_s: list[float] = []
    rank_samples_s: list[list[float]] = []
    synchronisation: Synchronisation = "barrier"
    missed_window: list[int] = []
    window: Window | None = None
    stopping: Stopping | None = None
    timer: Timer | None = None
    check: Check | None = None
    figures: list[Figure] = []
    work: Work | None = None
    limits: dict[str, float] = {}
    calibration: str = ""
    environment: Environment | None = None
    started: str = ""
    ended: str = ""


def utc_now() -> str:
    """Now, UTC, ISO 8601 with milliseconds: how records tell time."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
