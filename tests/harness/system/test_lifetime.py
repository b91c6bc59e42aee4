"""Processes that end with whoever started them."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = "import sys; from harness.system.lifetime import die_with; die_with(int(sys.argv[1])); print('alive')"


@pytest.mark.parametrize(
    ("parent", "ended"), [(os.getpid(), 0), (1, -signal.SIGKILL)], ids=["it lives", "it ended before it was asked for"]
)
def test_a_process_outlives_its_parent_at_no_moment(parent, ended):
    assert subprocess.run([sys.executable, "-c", PROGRAM, str(parent)]).returncode == ended
