"""Test files that are also programs: their checks on several ranks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# other processes may spoil the time of some tries; what is wrong fails in all of them
_TRIES = 4


@pytest.fixture
def on_ranks() -> Callable[[str, int], None]:
    """Run a file on so many ranks until its checks pass; the last try's failure is the test's."""

    def run(file: str, ranks: int) -> None:
        command = [
            str(Path(sys.executable).with_name("mpiexec")),
            "-n",
            str(ranks),
            sys.executable,
            "-m",
            "mpi4py",
            file,
        ]
        for _ in range(_TRIES - 1):
            if subprocess.run(command, capture_output=True, timeout=60).returncode == 0:
                return
        subprocess.run(command, check=True, timeout=60)

    return run
