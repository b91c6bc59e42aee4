"""Barriers beside windows on synchronised clocks: how exact the clocks are, what misses its window, what changes.

    python benchmarks/study_synchronisation.py [--ranks 2,4] [--repeats 5]

Each launch samples `allreduce` on backend `mpi` both ways, message by message, with the harness's own sampling; the two
take turns in being first. Prints a Markdown table: medians over launches with their range, of the slowest rank after
a barrier, and from the first start to the last end in a window; the share of samples that missed their window; and the
largest error of any rank's clock, the median distance from its model to exchanges of messages that the model had not
seen. More ranks than cores take turns on them, which the table says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from harness.case import Synchronisation
from harness.launch.launchers import find_mpiexec

MESSAGES_BYTES = (8, 1 << 16, 1 << 20)
BUDGET_S = 1.0
WAYS: tuple[Synchronisation, ...] = ("barrier", "window")

# message, then what `measure` finds
Launch = dict[str, dict[str, float]]


def main() -> int:
    options = parse()
    print("| ranks | message | barrier, us | window, us | window over barrier | missed | clock error, us |")
    print("|---|---|---|---|---|---|---|")
    for ranks in map(int, options.ranks.split(",")):
        tell(ranks, [launch(ranks, repeat) for repeat in range(options.repeats)])
    return 0


def launch(ranks: int, repeat: int) -> Launch:
    """What rank 0 of a launch found."""
    command = [find_mpiexec(), "-n", str(ranks), sys.executable, __file__, "--measure", str(repeat)]
    root = str(Path(__file__).parent.parent)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": root}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment)
    found: Launch = json.loads(done.stdout)
    return found


def measure(repeat: int) -> None:
    """On every rank: both ways, one message after the other."""
    from harness.case import Scale
    from harness.measure.placement import place
    from harness.measure.sampling import Sampling, take_samples
    from harness.measure.synchronisation import make_synchroniser
    from harness.measure.world import start_mpi
    from kernels.communication.allreduce import KERNEL, AllreduceParameters

    comm = start_mpi(threads_call_mpi=False)
    place(comm.rank, Scale(1, comm.size, 1))
    synchronisers = [make_synchroniser(way, comm) for way in (WAYS if repeat % 2 == 0 else reversed(WAYS))]
    found: Launch = {}
    for message_bytes in MESSAGES_BYTES:
        workload = KERNEL.prepare("mpi", AllreduceParameters(message_bytes=message_bytes), comm)
        row = found[str(message_bytes)] = {}
        for synchroniser in synchronisers:
            # a target that is never reached: both ways sample for the same time
            try:
                samples = take_samples(workload, comm, Sampling(budget_s=BUDGET_S, target=0.0), synchroniser)
            except RuntimeError:
                row |= {synchroniser.name: np.nan, "missed": 1.0, "error_s": np.nan}
                continue
            if samples is None:
                continue
            row[synchroniser.name] = float(np.median(np.delete(samples.samples_s, samples.missed_window)))
            if samples.window is not None:
                row["missed"] = len(samples.missed_window) / len(samples.samples_s)
                row["error_s"] = max(clock.error_s for clock in samples.window.clocks)
        assert workload.verify().passed
    if comm.rank == 0:
        print(json.dumps(found), flush=True)


def tell(ranks: int, launches: list[Launch]) -> None:
    """Print the rows of a number of ranks."""
    cores = len(os.sched_getaffinity(0))
    who = str(ranks) if ranks <= cores else f"{ranks} on {cores} cores"
    for message_bytes in MESSAGES_BYTES:
        rows = [launch[str(message_bytes)] for launch in launches]
        barrier_s, window_s, missed, error_s = (
            np.array([row[name] for row in rows]) for name in (*WAYS, "missed", "error_s")
        )
        cells = [spread(barrier_s * 1e6), spread(window_s * 1e6), spread(window_s / barrier_s)]
        cells += [f"{spread(missed * 100)} %", spread(error_s * 1e6)]
        print(f"| {who} | {message_bytes} B | {' | '.join(cells)} |", flush=True)


def spread(values: np.ndarray) -> str:
    """Median, least and most of those launches that have a value."""
    values = values[~np.isnan(values)]
    if not len(values):
        return "none"
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]))
    else:
        sys.exit(main())
