"""What every test may use: the command as a user types it, in a folder of its own, with a kernel that can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import psutil
import pytest

# how long an example takes says nothing on machines that others share
hypothesis.settings.register_profile("scalemark", deadline=None)
hypothesis.settings.load_profile("scalemark")

SUPPORT = Path(__file__).parent / "support"
SCALEMARK = str(Path(sys.executable).with_name("scalemark"))


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Ctrl-C reaches the processes that tests start, also when whoever started the tests ignores it (`nohup`)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def with_faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel `faulty` is known here and in every process started from here."""
    monkeypatch.setenv("SCALEMARK_KERNELS", "faulty=faulty:KERNEL")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(SUPPORT))


@pytest.fixture
def workers(tmp_path: Path) -> Callable[[], list[psutil.Process]]:
    """Tells which ranks and launchers work for a sweep in the test's folder."""

    def find() -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(tmp_path) in " ".join(process.info["cmdline"] or []) and process.pid != os.getpid()
        ]

    return find


@pytest.fixture
def scalemark(
    with_faulty: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``scalemark ...`` in an empty folder; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SCALEMARK, *arguments], capture_output=True, text=True, timeout=timeout)

    return run
