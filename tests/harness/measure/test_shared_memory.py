"""Ranks that kill themselves leave no shared memory, and those that live on work as before."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import numpy as np
from mpi4py import MPI
from harness.measure.shared_memory import take_names_away

comm = MPI.COMM_WORLD
print(*{line.split()[-1] for line in open("/proc/self/maps") if "mpich_shm_" in line}, flush=True)
take_names_away(comm)
total = np.empty(1 << 16)
comm.Split(0).Allreduce(np.ones(1 << 16), total)
assert (total == comm.size).all()
if sys.argv[1] == "kill":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["kill", "live"])
def test_no_name_of_shared_memory_is_left(end):
    mpiexec = Path(sys.executable).with_name("mpiexec")
    command = [mpiexec, "-n", "2", sys.executable, "-c", PROGRAM, end]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode == 0) == (end == "live"), done.stderr
    names = [word for word in done.stdout.split() if word.startswith("/dev/shm/")]
    assert names
    assert not any(Path(name).exists() for name in names)
