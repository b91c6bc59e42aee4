"""What the allreduce kernel's backends `mpi` and `mpi4py` measure, beside the same measurement in plain C.

    python benchmarks/compiled_allreduce.py [--ranks 2] [--repeats 7]

Needs `mpicc` of the MPI library that mpi4py loads; it builds benchmarks/allreduce.c. Programs take turns, so that all
see the same machine; ranks are bound to cores where these suffice. The library takes locks where several threads may
call it. The suite's ranks start it without ("funneled") and stand beside a C program that calls MPI_Init; then both
start it with ("multiple"), as ranks of a backend do whose threads call MPI. Prints a Markdown table: medians over
repeats of each repeat's median, of the slowest rank, and the median and range of a repeat's ratio over C. The exit code
is 1 where `mpi` is more than 1.3 times as slow as C with MPI_Init at 8 B, or 1.05 times at 1 MiB.
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
# what ranks ask of MPI, and how the C program starts it
LEVELS = {"funneled": "plain", "multiple": "multiple"}
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
            for level, start in LEVELS.items():
                suite = [sys.executable, __file__, "--measure", level]
                for command in ([program, start], suite):
                    asked = [*command, str(STEPS), *map(str, MESSAGES_BYTES)]
                    for name, message_bytes, median_s in launch(asked, options.ranks):
                        medians_s[level, int(message_bytes), name].append(float(median_s))
    return tell(medians_s, options.ranks)


def launch(command: list[str], ranks: int) -> list[list[str]]:
    """The words of every line that a program prints on ``ranks`` ranks: its name, a message's bytes, a median."""
    binding = ["-bind-to", "core"] if ranks <= len(os.sched_getaffinity(0)) else []
    done = subprocess.run(
        [tool("mpiexec"), *binding, "-n", str(ranks), *command],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return [line.split() for line in done.stdout.splitlines()]


def measure(level: str, steps: int, messages_bytes: list[int]) -> None:
    """On every rank: the harness's own sampling of both backends, as many steps as the C program takes."""
    from harness.measure.synchronisation import Barrier
    from harness.measure.world import start_mpi
    from kernels.communication.allreduce import KERNEL, AllreduceParameters

    comm = start_mpi(threads_call_mpi=level == "multiple")
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
    print(f"{ranks} ranks, {len(next(iter(medians_s.values())))} repeats, microseconds")
    print("| threads | message | C | mpi | over C | mpi4py | over C |\n|---|---|---|---|---|---|---|")
    missed = False
    for level in LEVELS:
        for message_bytes in MESSAGES_BYTES:
            c_s, *ours_s = (np.array(medians_s[level, message_bytes, name]) for name in ("c", *BACKENDS))
            cells = [f"{np.median(c_s) * 1e6:.3g}"]
            for times_s in ours_s:
                ratios = times_s / c_s
                cells += [f"{np.median(times_s) * 1e6:.3g}"]
                cells += [f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"]
            print(f"| {level} | {message_bytes} B | {' | '.join(cells)} |")
            if level == "funneled":
                missed |= bool(np.median(ours_s[0] / c_s) > TARGETS.get(message_bytes, np.inf))
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
    parser.add_argument("--repeats", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]), list(map(int, sys.argv[4:])))
    else:
        sys.exit(main())
