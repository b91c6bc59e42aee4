"""This machine as the allocation: the launches of a sweep, one after another."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from harness.launch.launchers import launcher_here
from harness.launch.observer import Observer
from harness.launch.plan import Launch
from harness.launch.supervisor import Setting, clear_interrupted, run_launch
from harness.store.write import runs_folder
from harness.system.holding import hold


def run_launches(launches: list[Launch], setting: Setting, observer: Observer) -> None:
    """Run all launches here; each record is on disk the moment its case is measured.

    The sweep is to be held (see `claim`): what killed processes left of it is cleared away.
    """
    clear_interrupted(setting.results, setting.sweep)
    observer.planned(sum(len(launch.cases) for launch in launches))
    try:
        for launch in launches:
            run_launch(launch, launcher_here(launch.scale), setting, observer)
    finally:
        observer.close()


def claim(results: Path, sweep: str) -> AbstractContextManager[None]:
    """Hold a sweep for this process: two at a time would measure the same cases and disturb each other.

    Raises `InputError` when another process holds it or the results folder takes no files.
    """
    return hold(
        runs_folder(results, sweep),
        taken=f"sweep {sweep}: another process is measuring it into {results}",
        remedy="name a folder you can write to with --results",
    )
