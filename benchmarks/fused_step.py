"""Our training step of the multi-task network beside torch's own, eager and compiled, in turns on the same machine.

    python benchmarks/fused_step.py [--threads 1,2] [--batches 256,1024] [--turns 12]

One process. Prints a Markdown table: medians over turns, in brackets the range, and how many times as long `eager`
takes, the median over turns and the range of all but the outermost tenths. The exit code is 1 where `eager` takes less
than 1.3 times as long as `fused`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from mpi4py import MPI

from kernels.training.mtl_step import KERNEL, MtlStepParameters

EAGER, FUSED = "eager", "fused"
LEAST_RATIO = 1.3
WARM_UP = 2


def main() -> int:
    options = parse()
    rivals = [name for name in (FUSED, "compile") if KERNEL.backend(name).missing("cpu") is None]
    print("| threads | batch | backend | ms | `eager` over it |\n|---|---|---|---|---|")
    fast = True
    for threads in options.threads:
        torch.set_num_threads(threads)
        for batch in options.batches:
            times_s = measure([EAGER, *rivals], batch, options.turns)
            for name, own_s in times_s.items():
                ratios = times_s[EAGER] / own_s
                low, high = np.quantile(ratios, [0.1, 0.9])
                spread = f"{np.median(own_s) * 1e3:.0f} ({own_s.min() * 1e3:.0f} to {own_s.max() * 1e3:.0f})"
                print(
                    f"| {threads} | {batch} | `{name}` | {spread} | {np.median(ratios):.2f} ({low:.2f} to {high:.2f}) |"
                )
                fast &= name != FUSED or bool(np.median(ratios) >= LEAST_RATIO)
    return int(not fast)


def measure(backends: list[str], batch: int, turns: int) -> dict[str, np.ndarray]:
    """Seconds of each backend's steps, float64 [turns]."""
    parameters = MtlStepParameters(batch=batch)
    workloads = {name: KERNEL.prepare(name, parameters, MPI.COMM_SELF) for name in backends}
    times_s = np.empty((len(backends), WARM_UP + turns))
    for turn in range(WARM_UP + turns):
        for row, workload in zip(times_s, workloads.values(), strict=True):
            start_s = time.perf_counter()
            workload.step()
            row[turn] = time.perf_counter() - start_s
    for name, workload in workloads.items():
        check = workload.verify()
        assert check.passed, (name, batch, check)
        workload.close()
    return dict(zip(backends, times_s[:, WARM_UP:], strict=True))


def parse() -> argparse.Namespace:
    def integers(text: str) -> list[int]:
        return list(map(int, text.split(",")))

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=integers, default=[1, 2])
    parser.add_argument("--batches", type=integers, default=[256, 1024])
    parser.add_argument("--turns", type=int, default=12)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
