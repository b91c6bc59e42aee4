"""Do circuits in image classifiers save epochs without a better accuracy, as the thesis claims in chapter 5?

    python benchmarks/study_images.py [--seeds 20] [--learning-rates 0.003,0.01,0.03,0.1] [--data FOLDER]
    mpiexec -n 2 python benchmarks/study_images.py        # the ranks divide the seeds

Three studies, in each a network with a circuit and a classical one with as many weights, on the same images in the same
order. Each kind trains at the learning rate that suits it best on three seeds that are not used again: the one with the
lowest training loss, averaged over the epochs. A single rate is taken for both. The loss to be reached is the lowest
that each kind reaches from nine of ten seeds. Prints Markdown: medians over the seeds with 95 % intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from mpi4py import MPI

from kernels.api import divide, parse_parameters
from kernels.quantum.studies.image_networks import count_weights
from kernels.quantum.studies.image_training import History, Study
from kernels.quantum.studies.pairs import common_target, paired_difference, verdict
from kernels.quantum.studies.quality import median_interval
from kernels.quantum.studies.quantum_images import KERNEL

STUDIES = ("transfer", "quanvolution", "qcnn")
TUNING_SEEDS = range(1000, 1003)
COLUMNS = ("accuracy", "last training loss", "epochs to target", "seconds to target")
COMM = MPI.COMM_WORLD


class Result(NamedTuple):
    """One kind of network: how many weights, the rate it trained at, and its runs in the order of the seeds."""

    kind: str
    weights: int
    learning_rate: str
    histories: list[History]

    @property
    def losses(self) -> list[list[float]]:
        return [history.curve.losses for history in self.histories]

    def columns(self, target: float) -> dict[str, np.ndarray]:
        """A value a seed, for each of COLUMNS; infinite where the target is not reached."""
        rows = [
            (run.accuracy, curve.losses[-1], epochs, curve.seconds_to(target) if np.isfinite(epochs) else np.inf)
            for run in self.histories
            for curve in [run.curve]
            for epochs in [curve.rounds_to(target)]
        ]
        return dict(zip(COLUMNS, np.array(rows).T, strict=True))


def train_seeds(study: Study, seeds: Sequence[int]) -> list[History]:
    """The runs of all seeds, in order; every rank trains its share."""
    share = divide(len(seeds), COMM.size, COMM.rank)
    histories = [study.train(study.make(seed), seed) for seed in (seeds[place] for place in share)]
    return [history for part in COMM.allgather(histories) for history in part]


def train_kind(study: str, kind: str, arguments: argparse.Namespace) -> Result:
    """Choose the learning rate, then train from all seeds."""
    values = {"study": study, "network": kind, "data": arguments.data, "samples": arguments.samples}
    candidates = []
    for rate in arguments.learning_rates:
        settings = {**values, "epochs": arguments.epochs, "learning_rate": rate}
        candidate = Study(parse_parameters(KERNEL, settings), torch.device("cpu"))
        tried = train_seeds(candidate, TUNING_SEEDS) if len(arguments.learning_rates) > 1 else []
        candidates.append((float(np.median([np.mean(run.curve.losses) for run in tried] or [0.0])), rate, candidate))
    _, rate, best = min(candidates, key=lambda candidate: candidate[0])
    return Result(kind, count_weights(best.make(0)), rate, train_seeds(best, range(arguments.seeds)))


def show(values: Sequence[float]) -> str:
    """The median and its interval."""
    interval = median_interval(values)
    bounds = f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
    return f"{np.median(values):.3g}{bounds}"


def compare(study: str, quantum: Result, classical: Result) -> str:
    """The study's table, its paired differences and what they say of the claim."""
    target = common_target(quantum.losses, classical.losses)
    tables = [result.columns(target) for result in (quantum, classical)]
    lines = [f"\n## {study}: target loss {target:.3g}\n", f"| network | weights | rate | {' | '.join(COLUMNS)} |"]
    lines.append("|---" * (3 + len(COLUMNS)) + "|")
    for result, table in zip((quantum, classical), tables, strict=True):
        cells = " | ".join(show(table[name]) for name in COLUMNS)
        lines.append(f"| {result.kind} | {result.weights} | {result.learning_rate} | {cells} |")
    differences = {name: paired_difference(tables[0][name], tables[1][name]) for name in COLUMNS}
    cells = " | ".join("{:+.3g} [{:+.3g}, {:+.3g}]".format(*differences[name]) for name in COLUMNS)
    lines.append(f"| quantum less classical | | | {cells} |")
    lines.append(
        f"\nFewer epochs, no better accuracy: {verdict(differences['epochs to target'], differences['accuracy'])}"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=lambda text: text.split(","), default=list(STUDIES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--learning-rates", type=lambda text: text.split(","), default=["0.003", "0.01", "0.03", "0.1"])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--data", default="digits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin = perf_counter()
    for study in arguments.studies:
        results = [train_kind(study, kind, arguments) for kind in ("quantum", "classical")]
        if COMM.rank == 0:
            print(compare(study, *results), flush=True)
    if COMM.rank == 0:
        print(f"\n{arguments.seeds} seeds on {COMM.size} ranks took {perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
