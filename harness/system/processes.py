"""Starting a tree of processes so that it can be ended whole, and saying how it ended."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

from harness.system.lifetime import die_with

_GRACE_S = 3.0


def start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, with the whole environment given, its output in ``log``.

    A Ctrl-C on the terminal reaches only the supervisor, which ends the tree in order; when the supervisor itself is
    killed, the kernel ends the command, and with it its ranks (each rank asks the same of the kernel).
    """
    with log.open("ab") as stream:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=functools.partial(die_with, os.getpid()),
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything it started: first asked, then, after a moment, killed."""
    tree = _descendants(process.pid)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while process.poll() is None and time.monotonic() < deadline:
            tree |= _descendants(process.pid)
            time.sleep(0.02)
    for member in tree:
        with contextlib.suppress(psutil.Error):
            member.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return set()


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number in set(signal.Signals):
        name = signal.Signals(number)
        words = {signal.SIGSEGV: "segmentation fault", signal.SIGKILL: "killed", signal.SIGABRT: "aborted"}
        return f"signal {int(name)} ({words.get(name, name.name)})"
    return f"exit code {code}"


def out_of_memory_kills() -> int:
    """How many processes this machine's kernel has killed for want of memory since it started."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
