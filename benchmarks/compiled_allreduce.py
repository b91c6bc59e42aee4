"""What the allreduce kernel's backends `mpi` and `mpi4py` measure, beside the same measurement in plain C.

    python benchmarks/compiled_allreduce.py [--ranks 2] [--repeats 5]

Needs `mpicc` of the MPI library that mpi4py loads; it builds benchmarks/allreduce.c. Programs take turns, so that all
see the same machine; ranks are bound to cores where these suffice. The library takes other ways, and locks, when it is
told of threads (mpi4py tells it of many), so each level is compared with C at the same level. Prints a Markdown table
of medians over repeats of each repeat's median, of the slowest rank, and their ratios over C. The exit code is 1 where
`mpi` is more than 1.3 times as slow as C at 8 B, or 1.05 times at 1 MiB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

MESSAGES_BYTES = (8, 1 << 16, 1 << 20)
TARGETS = {8: 1.3, 1 << 20: 1.05}
LEVELS = ("single", "multiple")
BACKENDS = ("mpi", "mpi4py")
STEPS = 2000

# thread level, message, program
Key = tuple[str, int, str]


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "allreduce"))
        subprocess.run([tool("mpicc"), "-O2", str(Path(__file__).with_name("allreduce.c")), "-o", program], check=True)
        medians_s: dict[Key, list[float]] = defaultdict(list)
        for _ in range(options.repeats):
            for level in LEVELS:
                for command in ([program, level, str(STEPS)], [sys.executable, __file__, "--measure", str(STEPS)]):
                    for name, message_bytes, median_s in launch(command, options.ranks, level):
                        medians_s[level, int(message_bytes), name].append(float(median_s))
    return tell(medians_s, options.ranks)


def launch(command: list[str], ranks: int, level: str) -> list[list[str]]:
    """The words of every line that a program prints on ``ranks`` ranks: its name, a message's bytes, a median."""
    binding = ["-bind-to", "core"] if ranks <= len(os.sched_getaffinity(0)) else []
    done = subprocess.run(
        [tool("mpiexec"), *binding, "-n", str(ranks), *command, *map(str, MESSAGES_BYTES)],
        env=os.environ | {"MPI4PY_RC_THREAD_LEVEL": level},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return [line.split() for line in done.stdout.splitlines()]


def measure(steps: int, messages_bytes: list[int]) -> None:
    """On every rank: the harness's own sampling of both backends, as many steps as the C program takes."""
    from mpi4py import MPI

    from harness.measure.synchronisation import Barrier
    from kernels.communication.allreduce import KERNEL, AllreduceParameters

    comm = MPI.COMM_WORLD
    for message_bytes in messages_bytes:
        for backend in BACKENDS:
            workload = KERNEL.prepare(backend, AllreduceParameters(message_bytes=message_bytes), comm)
            barrier = Barrier(comm)
            barrier.run(workload, steps)
            chunk = barrier.run(workload, steps)
            assert workload.verify().passed
            if chunk is not None:
                print(backend, message_bytes, np.median(chunk.samples_s), flush=True)


def tell(medians_s: dict[Key, list[float]], ranks: int) -> int:
    """Print the table; 1 when a target is missed."""
    print(f"{ranks} ranks, median of {len(next(iter(medians_s.values())))} repeats, microseconds")
    print("| thread level | message | C | mpi | over C | mpi4py | over C |\n|---|---|---|---|---|---|---|")
    missed = False
    for level in LEVELS:
        for message_bytes in MESSAGES_BYTES:
            c_s, mpi_s, mpi4py_s = (
                float(np.median(medians_s[level, message_bytes, name])) for name in ("c", *BACKENDS)
            )
            cells = [f"{c_s * 1e6:.3g}"]
            for time_s in (mpi_s, mpi4py_s):
                cells += [f"{time_s * 1e6:.3g}", f"{time_s / c_s:.2f}"]
            print(f"| {level} | {message_bytes} B | {' | '.join(cells)} |")
            missed |= mpi_s / c_s > TARGETS.get(message_bytes, np.inf)
    return int(missed)


def tool(name: str) -> str:
    """The command beside this Python, where wheels put it, or on the path."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        sys.exit(f"needs {name}: the mpich wheel or the system's MPI brings it")
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]), list(map(int, sys.argv[3:])))
    else:
        sys.exit(main())
