"""From which size on which of our allreduces is the fastest, on any number of ranks, whatever this machine has.

    python benchmarks/crossovers.py [--ranks 3,5,7] [--alpha-us 1] [--sent-gb-s 10] [--added-gb-s 5]

The very schedules that the kernel runs, message by message in SimGrid, on hosts that are all linked with all, beside
the closed forms that `scalemark project` uses. Prints the sizes at which the fastest changes; the exit code is 1 where
a closed form is off by more than a thousandth, or where the two name different algorithms. Needs SimGrid's Python
module: pip install simgrid, or Debian's python3-simgrid.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

import msgspec
from msgspec import Struct

from harness.analyse.projection.algorithms import Links, count_terms
from harness.analyse.projection.simulation import Request, load_engine
from harness.analyse.projection.topologies import TOPOLOGIES
from kernels.communication import schedules
from kernels.communication.schedules import Schedule

ALGORITHMS = {
    "recursive-doubling": schedules.recursive_doubling,
    "rabenseifner": schedules.rabenseifner,
    "ring": schedules.ring,
}
MESSAGES_BYTES = [1 << power for power in range(8, 27)]
ELEMENT_BYTES = 4
MOST_ERROR = 1e-3
# of a host of `load_engine`
OPERATIONS_PER_S = 1e9
TIE = 1e-9


class Network(Struct, frozen=True):
    """What a message, a byte sent and a byte added cost, in seconds."""

    ranks: int
    alpha_s: float
    beta_s: float
    gamma_s: float


def predict_s(algorithm: str, network: Network, message_bytes: int) -> float:
    """The closed form, in seconds, of one rank a node."""
    links = Links(
        alpha_s=network.alpha_s,
        beta_s_per_byte=network.beta_s,
        node_alpha_s=0.0,
        node_beta_s_per_byte=0.0,
        gamma_s_per_byte=network.gamma_s,
        hop_s=0.0,
    )
    terms = count_terms(algorithm.replace("-", "_"), TOPOLOGIES["fully_connected"], network.ranks, 1, message_bytes)
    return float(terms @ links.values)


def simulate_s(network: Network) -> dict[str, list[float]]:
    """Seconds of every algorithm at every size, in a process of its own: SimGrid keeps one engine a process."""
    done = subprocess.run(
        [sys.executable, __file__, "--simulate"], input=msgspec.json.encode(network), capture_output=True, check=True
    )
    found: dict[str, list[float]] = msgspec.json.decode(done.stdout.splitlines()[-1])
    return found


def run(network: Network) -> dict[str, list[float]]:
    import simgrid

    request = Request(
        algorithm="",
        topology="fully_connected",
        nodes=network.ranks,
        message_bytes=0.0,
        alpha_s=network.alpha_s,
        beta_s_per_byte=network.beta_s,
    )
    engine = load_engine(request)
    barrier = simgrid.Barrier(network.ranks)
    times_s: dict[str, list[float]] = {name: [] for name in ALGORITHMS}
    for rank in range(network.ranks):
        host = simgrid.Host.by_name(str(rank))
        simgrid.Actor.create(f"rank {rank}", host, act, simgrid, barrier, network, rank, times_s)
    engine.run()
    return times_s


def act(simgrid: Any, barrier: Any, network: Network, rank: int, times_s: dict[str, list[float]]) -> None:
    """A rank's life: every algorithm at every size, one after the other, all ranks together."""
    for name, make in ALGORITHMS.items():
        for message_bytes in MESSAGES_BYTES:
            schedule = make(range(network.ranks), rank, message_bytes // ELEMENT_BYTES)
            barrier.wait()
            began_s = simgrid.Engine.clock
            follow(simgrid, schedule, rank, network.gamma_s)
            barrier.wait()
            if rank == 0:
                times_s[name].append(simgrid.Engine.clock - began_s)


def follow(simgrid: Any, schedule: Schedule, rank: int, gamma_s: float) -> None:
    for step in schedule:
        sending = None
        if step.sent:
            box = simgrid.Mailbox.by_name(f"{rank} to {step.to}")
            sending = box.put_async(rank, ELEMENT_BYTES * len(step.sent))
        if step.received:
            simgrid.Mailbox.by_name(f"{step.source} to {rank}").get()
            if step.adds:
                simgrid.this_actor.execute(ELEMENT_BYTES * len(step.received) * gamma_s * OPERATIONS_PER_S)
        if sending is not None:
            sending.wait()


def changes(times_s: dict[str, list[float]]) -> list[str]:
    """``algorithm from size`` wherever the fastest changes; of equals it is the first, as on two ranks."""
    fastest = []
    for times in zip(*times_s.values(), strict=True):
        near = (name for name, time_s in zip(times_s, times, strict=True) if time_s < min(times) * (1 + TIE))
        fastest.append(next(near))
    places = [place for place, name in enumerate(fastest) if place == 0 or name != fastest[place - 1]]
    return [f"{fastest[place]} from {MESSAGES_BYTES[place] / 1024:g} KiB" for place in places]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="3,5,7", help="rank counts (default: %(default)s)")
    parser.add_argument("--alpha-us", type=float, default=1.0, help="a message, microseconds (default: %(default)s)")
    parser.add_argument("--sent-gb-s", type=float, default=10.0, help="bytes sent, GB/s (default: %(default)s)")
    parser.add_argument("--added-gb-s", type=float, default=5.0, help="bytes added, GB/s (default: %(default)s)")
    parser.add_argument("--simulate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.simulate:
        network = msgspec.json.decode(sys.stdin.buffer.read(), type=Network)
        print(msgspec.json.encode(run(network)).decode())
        return 0
    wrong = 0
    print("| ranks | fastest | largest error of the closed forms |\n|---|---|---|")
    for ranks in map(int, options.ranks.split(",")):
        network = Network(ranks, options.alpha_us * 1e-6, 1e-9 / options.sent_gb_s, 1e-9 / options.added_gb_s)
        simulated = simulate_s(network)
        predicted = {name: [predict_s(name, network, size) for size in MESSAGES_BYTES] for name in ALGORITHMS}
        pairs = [pair for name in ALGORITHMS for pair in zip(predicted[name], simulated[name], strict=True)]
        error = max(abs(found / right - 1) for right, found in pairs)
        alike = changes(predicted) == changes(simulated)
        print(f"| {ranks} | {', '.join(changes(simulated))} | {error:.1e} |")
        wrong += error > MOST_ERROR or not alike
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
