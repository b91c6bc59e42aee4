"""How a running sweep goes on: a bar on a terminal, plain lines in a log. All of it goes to standard error."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from harness.case import Case, Scale
from harness.present import units
from harness.present.naming import name_cases
from harness.store.record import Status

# a log of a larger sweep tells of every hundredth part, and of all that goes wrong
_MOST_LINES = 200
_LINES_OF_MANY = 100


def make_observer(cases: Iterable[Case], stream: TextIO | None = None) -> TerminalObserver | LogObserver:
    """The observer that suits ``stream`` (standard error when not given): a bar on a terminal, lines elsewhere.

    ``cases`` are those that will be measured: names tell them apart.
    """
    console = Console(file=stream, stderr=stream is None, highlight=False)
    names = name_cases(cases)
    return TerminalObserver(console, names) if console.is_terminal else LogObserver(console, names)


class TerminalObserver:
    """A progress bar with the case under way, elapsed and expected time; what goes wrong is told above it."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._names = names
        self._bar = Progress(
            SpinnerColumn(),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[red]{task.fields[failures]}"),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, failures="")
        self._failures = 0

    def planned(self, total_runs: int) -> None:
        """Show the bar."""
        if total_runs:
            self._bar.update(self._task, total=total_runs)
            self._bar.start()

    def launch_started(self, scale: Scale, runs: int) -> None:
        """Say that ranks are starting: it takes seconds in which no case ends."""
        self._bar.update(self._task, description=f"starting {_ranks(scale)}")

    def run_started(self, case: Case, doing: str = "") -> None:
        """Name the case under way, and what takes its time."""
        what = f"{case.kernel} {case.backend} on {_ranks(case.scale)}"
        self._bar.update(self._task, description=": ".join(filter(None, [what, doing])))

    def run_ended(self, case: Case, status: Status, message: str) -> None:
        """Count the case; tell what went wrong."""
        if status != "ok":
            self._failures += 1
            complaint = _complaint(case, self._names, status, message)
            self._bar.console.print(Text.assemble(("✗ ", "bold red"), complaint))
        self._bar.update(self._task, advance=1, failures=f"{self._failures} failed" if self._failures else "")

    def close(self) -> None:
        """Take the bar away, so that the table follows on a clean screen."""
        self._bar.stop()


class LogObserver:
    """One line a finished case, or fewer where there are many; every failure has its own."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._total = 0
        self._done = 0
        self._failures = 0
        self._step = 1
        self._started_s = time.monotonic()

    def planned(self, total_runs: int) -> None:
        """Say how much lies ahead."""
        self._total = total_runs
        self._step = 1 if total_runs <= _MOST_LINES else math.ceil(total_runs / _LINES_OF_MANY)
        self._started_s = time.monotonic()
        if total_runs:
            self._say(f"measuring {units.counted(total_runs, 'run')}")

    def launch_started(self, scale: Scale, runs: int) -> None:
        """Nothing: the cases will tell of themselves."""

    def run_started(self, case: Case, doing: str = "") -> None:
        """Only what takes time beside the case: a log tells of what has ended."""
        if doing:
            self._say(f"{self._names.get(case.id, case.id)}: {doing}")

    def run_ended(self, case: Case, status: Status, message: str) -> None:
        """One line, unless there are too many for that."""
        self._done += 1
        self._failures += status != "ok"
        if status != "ok":
            self._say(f"{self._counts()}  {_complaint(case, self._names, status, message)}")
        elif self._done % self._step == 0 or self._done == self._total:
            self._say(f"{self._counts()}  {self._names.get(case.id, case.id)}: ok")

    def close(self) -> None:
        """Sum up."""
        if self._total:
            elapsed = _clock(time.monotonic() - self._started_s)
            total = units.counted(self._total, "run")
            self._say(f"measured {self._done:,} of {total} in {elapsed}, {self._failures} failed")

    def _counts(self) -> str:
        elapsed_s = time.monotonic() - self._started_s
        left_s = elapsed_s / self._done * max(self._total - self._done, 0)
        return f"[{self._done}/{self._total}, {_clock(elapsed_s)}, about {_clock(left_s)} left]"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


def _complaint(case: Case, names: Mapping[str, str], status: Status, message: str) -> str:
    """What went wrong, with the name for people and the id that leads to the record."""
    told = dict.fromkeys([names.get(case.id, case.id), case.id])
    return f"{', '.join(told)}: {status.replace('_', ' ')}: {message}"


def _ranks(scale: Scale) -> str:
    ranks = units.counted(scale.ranks, "rank")
    return f"{ranks} on {scale.nodes} nodes" if scale.nodes > 1 else ranks


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
