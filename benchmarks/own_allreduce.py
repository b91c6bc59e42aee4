"""Our fastest allreduce beside MPI's own, in turns, so that both see the same machine.

    python benchmarks/own_allreduce.py [--ranks 2] [--launches 5] [--messages 1024,65536] [--turns 9] [--each]

The suite's own compiled loop around all, a barrier before each call; every sum is checked against the bound of its
order. Prints a Markdown table: medians over launches, of the slowest rank, and the median and range of a launch's
ratio, itself the median over turns. With ``--each`` every algorithm has a column too, the fastest in bold: where one
overtakes another. The exit code is 1 where ours (the backend `tuned`) takes more than 1.25 times as long as MPI's own
at any size. On more ranks than cores the sums are right or not, and times tell of waiting for time slices alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict

import numpy as np
from compiled_allreduce import launch

MESSAGES_BYTES = [1 << power for power in range(10, 27, 2)]
RIVALS = ["mpi", "tuned"]
EACH = ["ring", "recursive-doubling", "rabenseifner", "hierarchical", "shared-memory"]
MOST_RATIO = 1.25
# of a turn, over all its calls
MOVED_BYTES, LEAST_STEPS, MOST_STEPS = 1 << 26, 3, 300


def main() -> int:
    options = parse()
    backends = [*RIVALS, *(EACH if options.each else [])]
    asked = [str(options.turns), ",".join(backends), *map(str, options.messages)]
    found = defaultdict(list)
    for _ in range(options.launches):
        for message_bytes, algorithm, *numbers in launch(
            [sys.executable, __file__, "--measure", *asked], options.ranks
        ):
            found[int(message_bytes)].append((algorithm, *map(float, numbers)))
    columns = ["message", *(f"`{name}`" for name in backends), "over `mpi`", "chose"]
    print(f"{options.ranks} ranks, {options.launches} launches, microseconds")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    worst = 0.0
    for message_bytes, launches in sorted(found.items()):
        algorithms, ratios, *times_s = zip(*launches, strict=True)
        chosen = ", ".join(sorted(set(algorithms), key=algorithms.count, reverse=True))
        medians_us = [float(np.median(each)) * 1e6 for each in times_s]
        fastest = min(medians_us)
        cells = [f"**{each:.3g}**" if options.each and each == fastest else f"{each:.3g}" for each in medians_us]
        spread = f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {message_bytes >> 10} KiB | {' | '.join(cells)} | {spread} | {chosen} |")
        worst = max(worst, float(np.median(ratios)))
    return int(worst > MOST_RATIO)


def measure(turns: int, backends: list[str], messages_bytes: list[int]) -> None:
    """On every rank: a line for each message with what was chosen, ours over MPI's, and all backends' medians."""
    from harness.measure.synchronisation import Barrier
    from harness.measure.world import start_mpi
    from kernels.communication.allreduce import KERNEL, AllreduceParameters

    comm = start_mpi(threads_call_mpi=False)
    for message_bytes in messages_bytes:
        parameters = AllreduceParameters(message_bytes=message_bytes)
        workloads = [KERNEL.prepare(name, parameters, comm) for name in backends]
        crowded = comm.size > len(os.sched_getaffinity(0))
        steps = LEAST_STEPS if crowded else min(MOST_STEPS, max(LEAST_STEPS, MOVED_BYTES // message_bytes // 8))
        barrier = Barrier(comm)
        medians_s = []
        for _ in range(turns):
            chunks = [barrier.run(workload, steps) for workload in workloads]
            medians_s.append([np.median(chunk.samples_s) for chunk in chunks if chunk is not None])
        for name, workload in zip(backends, workloads, strict=True):
            check = workload.verify()
            assert check.passed, (name, message_bytes, check)
        chosen = {figure.name: figure.value for figure in workloads[1].figures(1.0)}["algorithm"]
        for workload in workloads:
            workload.close()
        if comm.rank == 0:
            times_s = np.array(medians_s)
            ratio = np.median(times_s[:, 1] / times_s[:, 0])
            print(message_bytes, chosen, ratio, *np.median(times_s, axis=0), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--messages", type=lambda text: list(map(int, text.split(","))), default=MESSAGES_BYTES)
    parser.add_argument("--each", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]), sys.argv[3].split(","), list(map(int, sys.argv[4:])))
    else:
        sys.exit(main())
