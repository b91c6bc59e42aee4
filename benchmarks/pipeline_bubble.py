"""What the stages of a pipeline wait when all take exactly equally long, beside the formula.

    mpiexec -n 2 python benchmarks/pipeline_bubble.py [--micro-batches 2,4,8,16] [--forward-ms 10] [--steps 12]

A stage for each rank, each on a core of its own: its computing is real, then it sleeps until 10 ms are over forward and
twice as long back, so that neither the machine's other work nor the other stages make it longer. What is left over
(K-1)/(M+K-1), for K stages and M micro-batches, is the pipeline's own: messages and waking up. Prints a Markdown table
of the kernel's own figures; the exit code is 1 where the median bubble is more than a tenth over the formula's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from mpi4py import MPI

from kernels.training.parallel.grid import Grid
from kernels.training.parallel_training import KERNEL, ParallelTrainingParameters

MOST_RATIO = 1.1
# a step is soon over without the sleep
WIDTH, SAMPLES = 64, 4


def main() -> int:
    options = parse()
    torch.set_num_threads(1)
    comm = MPI.COMM_WORLD
    if comm.size < 2:
        raise SystemExit("pipeline_bubble.py: one rank has no pipeline; right would be mpiexec -n 2")
    rows = ["| M | | `bubble` | `bubble_expected` | over it |", "|---|---|---|---|---|"]
    within = True
    for micro_batches in options.micro_batches:
        for backend in ("gpipe", "1f1b"):
            figures = measure(backend, micro_batches, options.forward_ms * 1e-3, options.steps)
            ratio = figures["bubble"] / figures["bubble_expected"]
            found = " | ".join(f"{figures[name]:.3f}" for name in ("bubble", "bubble_expected"))
            rows.append(f"| {micro_batches} | `{backend}` | {found} | {ratio:.3f} |")
            within &= ratio <= MOST_RATIO
    if comm.rank == 0:
        print("\n".join(rows))
    return int(not within)


def measure(backend: str, micro_batches: int, forward_s: float, steps: int) -> dict[str, float]:
    """The kernel's figures after some steps of a pipeline over all ranks."""
    parameters = ParallelTrainingParameters(
        batch=SAMPLES * micro_batches, width=WIDTH, blocks=MPI.COMM_WORLD.size, micro_batches=micro_batches
    )
    workload = KERNEL.prepare(backend, parameters, MPI.COMM_WORLD)
    assert isinstance(workload, Grid)
    stage = workload.pipeline.stage
    stage.forward = lasting(stage.forward, forward_s)  # type: ignore[method-assign]
    stage.backward = lasting(stage.backward, 2 * forward_s)  # type: ignore[method-assign]
    for _ in range(steps):
        workload.step()
    figures = {figure.name: float(figure.value) for figure in workload.figures(1.0)}
    workload.close()
    return figures


def lasting(action: Callable[..., Any], lasts_s: float) -> Callable[..., Any]:
    """The action, which ends when its time is over and not before; asleep, so that it wants no core."""

    def run(*arguments: object) -> object:
        ends_s = time.perf_counter() + lasts_s
        result = action(*arguments)
        time.sleep(max(0.0, ends_s - time.perf_counter()))
        return result

    return run


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micro-batches", type=lambda text: list(map(int, text.split(","))), default=[2, 4, 8, 16])
    parser.add_argument("--forward-ms", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=12)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
