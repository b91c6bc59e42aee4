"""Watching the ranks of one launch: what their events say, whom that is told, and when their time is over."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from harness.launch.launchers import Launcher
from harness.launch.observer import Observer
from harness.store.launch_folder import Event, EventReader, PlannedRun
from harness.store.record import Status
from harness.system import processes

_POLL_S = 0.02
# after the last record is written there is only MPI to shut down
_FINISH_S = 30.0
# interpreters, libraries and images are read by all ranks at once, from a disk that may be far away
_START_S = 60.0


class Watch:
    """What the events of one set of processes say: which runs ended, which one is under way, who complained."""

    def __init__(self, runs: list[PlannedRun], observer: Observer) -> None:
        self.runs = runs
        self.observer = observer
        self.ended: set[int] = set()
        self.errors: dict[int, Event] = {}
        self.current: int | None = None
        self.world_sizes: set[int] = set()
        self.has_begun = False
        self.since = time.monotonic()

    def take(self, events: list[Event]) -> None:
        """Note what the ranks say, and pass it on."""
        for event in events:
            # what a kernel tells within a case does not give it more time
            if event.kind != "start" or event.run != self.current or event.of_launch:
                self.since = time.monotonic()
            if event.kind == "ready":
                self.world_sizes.add(event.world_size)
            elif event.kind == "start":
                self.has_begun = True
                self.current = event.run
                self.observer.run_started(self.runs[event.run].case, event.message)
            elif event.kind == "end":
                self.current = None
                self.ended.add(event.run)
                status: Status = "ok" if event.check_passed else "failed"
                self.observer.run_ended(self.runs[event.run].case, status, event.message)
            else:
                self.current = None
                self.errors.setdefault(event.run, event)

    @property
    def complete(self) -> bool:
        """Whether every run has ended, well or not."""
        return len(self.ended | set(self.errors)) == len(self.runs)


def attend(process: subprocess.Popen[bytes], launcher: Launcher, folder: Path, watch: Watch, limit_s: float) -> bool:
    """Follow the ranks to their end, and see to it that they have one; True when a time limit was that end.

    ``limit_s`` bounds each run, from its own start on; that ranks start is bounded by no less than a minute. An
    interrupted launch leaves no folder.
    """
    try:
        try:
            return _follow(process, EventReader(folder), watch, limit_s)
        finally:
            processes.end(process)
            launcher.end_rest()
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _follow(process: subprocess.Popen[bytes], reader: EventReader, watch: Watch, limit_s: float) -> bool:
    while process.poll() is None:
        watch.take(reader.read())
        waited_s = time.monotonic() - watch.since
        if waited_s > (_FINISH_S if watch.complete else limit_s if watch.has_begun else max(limit_s, _START_S)):
            return not watch.complete
        time.sleep(_POLL_S)
    watch.take(reader.read())
    return False
