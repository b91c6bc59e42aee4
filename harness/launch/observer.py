"""Who is told how a sweep goes on."""

from __future__ import annotations

from typing import Protocol

from harness.case import Case, Scale
from harness.store.record import Status


class Observer(Protocol):
    """Who wants to know how a sweep goes on: a progress bar, a log, nobody."""

    def planned(self, runs: int) -> None:
        """So many runs lie ahead."""

    def launch_started(self, scale: Scale, runs: int) -> None:
        """Ranks are being started for so many runs."""

    def run_started(self, case: Case, doing: str = "") -> None:
        """The ranks have begun with a case, or with something else that takes its time."""

    def run_ended(self, case: Case, status: Status, message: str) -> None:
        """A case has left its record."""

    def close(self) -> None:
        """Nothing more will come."""


class Silence:
    """An observer that tells nobody; a base for those that listen to a part."""

    def planned(self, runs: int) -> None:
        """Nothing."""

    def launch_started(self, scale: Scale, runs: int) -> None:
        """Nothing."""

    def run_started(self, case: Case, doing: str = "") -> None:
        """Nothing."""

    def run_ended(self, case: Case, status: Status, message: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
