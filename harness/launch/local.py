"""This machine as the allocation: the launches of a sweep, one after another."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from harness.case import Sweep
from harness.launch.launchers import launcher_here
from harness.launch.plan import Launch
from harness.launch.supervisor import Observer, Setting, run_launch
from harness.store.write import runs_folder
from kernels.api import InputError


def run_launches(launches: list[Launch], setting: Setting, observer: Observer) -> None:
    """Run all launches here; each record is on disk the moment its case is measured."""
    observer.planned(sum(len(launch.cases) for launch in launches))
    try:
        for launch in launches:
            run_launch(launch, launcher_here(launch.scale), setting, observer)
    finally:
        observer.close()


@contextlib.contextmanager
def claim(results: Path, sweep: Sweep) -> Iterator[None]:
    """Hold a sweep for this process: two at a time would measure the same cases and disturb each other.

    Raises `InputError` when another process holds it or the results folder takes no files. The lock goes with the
    process, however that ends.
    """
    folder = runs_folder(results, sweep.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; name a folder you can write to with --results") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"sweep {sweep.name}: another process is measuring it into {results}") from error
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
