"""What the output of a broken launch says of its end: how the first rank went, and what the ranks said themselves."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from harness.system.processes import describe_exit

_LINES = 3
# MPICH ("(signal 11)") and Open MPI ("exited on signal 11") tell a signal's number, Slurm tells its meaning
_NUMBER = re.compile(r"\bsignal (\d+)\b")
_TASK = re.compile(
    r"^srun: error: \S+ tasks? \S+: (?:Exited with exit code (\d+)|(.*?)(?: \(core dumped\))?)$", re.MULTILINE
)
# slurmstepd and srun, of a job whose memory the kernel limits, and of one that Slurm itself looks after
_MEMORY = re.compile(r"oom_kill event|Out Of Memory|[Ee]xceeded memory limit")
_MEANINGS = {signal.strsignal(number): int(number) for number in signal.Signals}
_LAUNCHERS_OWN = (
    "=",
    "srun:",
    "slurmstepd",
    "YOUR APPLICATION TERMINATED",
    "This typically refers to",
    "Please see the",
)


def last_words(code: int, log: Path) -> str:
    """How the ranks ended (``code`` is their launcher's exit code), what they said last, and where the rest is."""
    text = log.read_text(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(_LAUNCHERS_OWN)]
    return f"{_describe_end(code, text)}; {' / '.join(lines[-_LINES:]) or 'no output'} ({log})"


def tells_of_memory(log: Path) -> bool:
    """Whether the scheduler says that ranks took more memory than their job has."""
    return _MEMORY.search(log.read_text(errors="replace")) is not None


def _describe_end(code: int, text: str) -> str:
    if told := _NUMBER.search(text):
        return describe_exit(-int(told[1]))
    if told := _TASK.search(text):
        return describe_exit(int(told[1]) if told[1] else -_MEANINGS.get(told[2], 0))
    return describe_exit(code)
