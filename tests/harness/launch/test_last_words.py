from __future__ import annotations

from pathlib import Path

import pytest

from harness.launch.last_words import last_words

SRUN = """ValueError: no such thing
srun: error: n2: task 1: {end}
srun: launch/slurm: _step_signal: Terminating StepId=23.5
slurmstepd-n1: error: *** STEP 23.5 ON n1 CANCELLED AT 2026-11-21T10:19:59 ***
srun: error: n1: task 0: Terminated
"""
MPICH = """ValueError: no such thing

===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   EXIT CODE: 11
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Segmentation fault (signal 11)
This typically refers to a problem with your application.
Please see the FAQ page for debugging suggestions
"""


@pytest.mark.parametrize(
    ("text", "code", "end"),
    [
        (SRUN.format(end="Segmentation fault (core dumped)"), 139, "signal 11 (segmentation fault)"),
        (SRUN.format(end="Killed"), 137, "signal 9 (killed)"),
        (SRUN.format(end="Exited with exit code 3"), 3, "exit code 3"),
        (MPICH, 11, "signal 11 (segmentation fault)"),
        ("ValueError: no such thing\n", 1, "exit code 1"),
        ("ValueError: no such thing\n", -6, "signal 6 (aborted)"),
    ],
)
def test_the_first_rank_s_end_and_the_ranks_own_words_are_told(tmp_path: Path, text: str, code: int, end: str) -> None:
    log = tmp_path / "output.log"
    log.write_text(text)
    assert last_words(code, log) == f"{end}; ValueError: no such thing ({log})"


def test_silence_is_told_too(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    log.touch()
    assert last_words(5, log) == f"exit code 5; no output ({log})"
