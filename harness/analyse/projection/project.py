"""From measured links and a kernel's communication pattern to node counts that nobody here has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from harness.analyse.laws import fitting
from harness.analyse.projection.algorithms import count_terms
from harness.analyse.projection.links import MeasuredLinks
from harness.analyse.projection.topologies import TOPOLOGIES, Topology
from harness.analyse.scaling import TableRow
from kernels.api import InputError

ScalingMode = Literal["strong", "weak"]
# adding nodes pays as long as twice as many do at least so many times as much
PAYING_GAIN = 1.1
MOST_NODES = 100_000


class Pattern(Struct, frozen=True, kw_only=True):
    """What a step does: ``compute_s`` on one rank alone, [count] bootstrap replicates, then an allreduce.

    In strong scaling the ranks divide the computation, at most ``most_ranks`` of them; in weak scaling each does all.
    """

    kernel: str
    backend: str
    mode: ScalingMode
    message_bytes: float
    compute_s: float = 0.0
    replicates_s: np.ndarray
    most_ranks: float = np.inf

    def share(self, ranks: int) -> float:
        """The part of the computation that one rank does."""
        return 1 / ranks if self.mode == "strong" else 1.0


class Projection(Struct, frozen=True, kw_only=True):
    """One predicted time, never a measured one, though it may stand beside one. SI units.

    ``low_s`` and ``high_s`` enclose the model's prediction with 95 % probability, given the scatter of the measured
    launches, and are None where that is not known; whether the model holds is another question, which ``measured_s``
    answers where it is known.
    ``pays_to_nodes`` is the most nodes that doubling to still makes the job 1.1 times as fast; None where it pays as
    far as was looked. ``simulated_s`` is SimGrid's answer. ``fastest`` marks the best algorithm at a topology and node
    count.
    """

    kernel: str
    backend: str
    mode: ScalingMode
    topology: str
    algorithm: str
    message_bytes: float
    nodes: int
    ranks: int
    predicted_s: float
    low_s: float | None
    high_s: float | None
    exchange_s: float
    measured_s: float | None = None
    pays_to_nodes: int | None = None
    pays_to_nodes_low: int | None = None
    pays_to_nodes_high: int | None = None
    fastest: bool = False
    simulated_s: float | None = None


def predict_s(
    pattern: Pattern, links: MeasuredLinks, topology: Topology, algorithm: str, nodes: int, ranks_per_node: int
) -> tuple[float, np.ndarray, float]:
    """A step's seconds, replicates of them [count], and of the seconds those of the exchange."""
    terms = count_terms(algorithm, topology, nodes, ranks_per_node, pattern.message_bytes)
    share = pattern.share(nodes * ranks_per_node)
    exchange_s = float(terms @ links.links.values)
    drawn_s = pattern.replicates_s * share + links.replicates @ terms
    return pattern.compute_s * share + exchange_s, drawn_s, exchange_s


def project(
    pattern: Pattern,
    links: MeasuredLinks,
    topologies: Iterable[str],
    algorithms: Iterable[str],
    nodes: Sequence[int],
    ranks_per_node: int,
) -> list[Projection]:
    """A prediction for every topology, algorithm and node count, the fastest algorithm of each marked."""
    algorithms = list(algorithms)
    found = []
    for topology in (TOPOLOGIES[name] for name in topologies):
        pays = {name: find_pays_to(pattern, links, topology, name, ranks_per_node) for name in algorithms}
        for count in nodes:
            if count * ranks_per_node <= pattern.most_ranks:
                rows = [
                    make_projection(pattern, links, topology, name, count, ranks_per_node, pays[name])
                    for name in algorithms
                ]
                best = min(rows, key=lambda row: row.predicted_s)
                found += [msgspec.structs.replace(row, fastest=row is best) for row in rows]
    return found


def make_projection(
    pattern: Pattern,
    links: MeasuredLinks,
    topology: Topology,
    algorithm: str,
    nodes: int,
    ranks_per_node: int,
    pays_to: tuple[int | None, int | None, int | None] = (None, None, None),
) -> Projection:
    """The prediction at one point; ``pays_to`` is the answer of `find_pays_to`."""
    predicted_s, drawn_s, exchange_s = predict_s(pattern, links, topology, algorithm, nodes, ranks_per_node)
    # links that were given, or measured in one launch, have no scatter that is known
    scattered = np.ptp(drawn_s) > 0
    low_s, high_s = np.quantile(drawn_s, (0.025, 0.975)).tolist() if scattered else (None, None)
    return Projection(
        kernel=pattern.kernel,
        backend=pattern.backend,
        mode=pattern.mode,
        topology=topology.name,
        algorithm=algorithm,
        message_bytes=pattern.message_bytes,
        nodes=nodes,
        ranks=nodes * ranks_per_node,
        predicted_s=predicted_s,
        low_s=low_s,
        high_s=high_s,
        exchange_s=exchange_s,
        pays_to_nodes=pays_to[0],
        pays_to_nodes_low=pays_to[1],
        pays_to_nodes_high=pays_to[2],
    )


def find_pays_to(
    pattern: Pattern, links: MeasuredLinks, topology: Topology, algorithm: str, ranks_per_node: int
) -> tuple[int | None, int | None, int | None]:
    """The most nodes that doubling to still pays for, and its 95 % interval; None is beyond what was looked at.

    Doubling pays where the job does `PAYING_GAIN` times as much in a second as on any smaller power of two of nodes.
    What a job does in a second is 1 / T in strong scaling and p / T in weak, as in an allreduce of what all ranks hold.
    """
    most = min(MOST_NODES, pattern.most_ranks / ranks_per_node)
    grid = [1 << power for power in range(int(most).bit_length()) if 1 << power <= most]
    times_s = []
    for nodes in grid:
        predicted_s, drawn_s, _ = predict_s(pattern, links, topology, algorithm, nodes, ranks_per_node)
        times_s.append(np.append(predicted_s, drawn_s))
    work = np.ones(len(grid)) if pattern.mode == "strong" else np.array(grid, float)
    rates = work[:, None] / np.maximum(times_s, np.finfo(float).tiny)
    # one rank alone has nothing to exchange: no rate to gain upon
    rates[np.array(times_s) == 0] = 0.0
    pays = rates[1:] >= PAYING_GAIN * np.maximum.accumulate(rates)[:-1]
    counts = np.array([*grid[:-1], np.inf])
    # the place of the last doubling that paid, and after it the node count that it led to
    last = np.where(pays.any(axis=0), len(pays) - np.argmax(pays[::-1], axis=0), 0)
    stops = counts[last]
    low, high = np.quantile(stops[1:], (0.025, 0.975), method="nearest")
    told = [None if np.isinf(value) else int(value) for value in (stops[0], low, high)]
    return told[0], told[1], told[2]


def at_measured_points(rows: Iterable[TableRow], pattern: Pattern | None, links: MeasuredLinks) -> list[Projection]:
    """Predictions for what was measured, each beside its measurement: how far the model can be trusted.

    Measured allreduces stand there with the algorithm that explains them best; with a ``pattern`` that computes, the
    measured steps of its kernel and backend do.
    """
    topology = TOPOLOGIES["fully_connected"]
    found = []
    for row in rows:
        step = pattern if pattern is not None else exchange_of(float(row.parameters["message_bytes"]), row.backend)
        predicted = make_projection(step, links, topology, links.algorithm, row.nodes, row.ranks // row.nodes)
        found.append(msgspec.structs.replace(predicted, measured_s=fitting.centre_s(row.launch_median_s)))
    return found


def exchange_of(message_bytes: float, backend: str) -> Pattern:
    """An allreduce and nothing else."""
    return Pattern(
        kernel="allreduce", backend=backend, mode="weak", message_bytes=message_bytes, replicates_s=np.zeros(1)
    )


def training_step(rows: Sequence[TableRow], kernel: str, mode: ScalingMode) -> Pattern:
    """Compute and exchange of a data-parallel training step, from its measured rows (of one backend and series).

    The time on one rank, where nothing is exchanged, is the computation; the gradient's size follows from the bytes
    that a rank sends on several, 2 (p - 1) / p of it. Raises `InputError` naming what was not measured.
    """
    alone = next((row for row in rows if row.ranks == 1), None)
    together = next((row for row in rows if row.ranks > 1 and row.work and row.work.sent_bytes > 0), None)
    if alone is None or together is None or together.work is None:
        lacking = "1 rank" if alone is None else "several ranks"
        raise InputError(
            f"{kernel}: found no right result on {lacking}, right would be: scalemark sweep {kernel} "
            f"--mode {mode} --ranks-per-node 1,2"
        )
    ranks = together.ranks
    return Pattern(
        kernel=kernel,
        backend=alone.backend,
        mode=mode,
        message_bytes=together.work.sent_bytes * ranks / (2 * (ranks - 1)),
        compute_s=fitting.centre_s(alone.launch_median_s),
        replicates_s=fitting.replicate_s([alone.launch_median_s])[:, 0],
        most_ranks=alone.work.items if mode == "strong" and alone.work else np.inf,
    )
