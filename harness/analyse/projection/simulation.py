"""The same exchanges simulated message by message by SimGrid, where it is installed: contention as it comes about.

SimGrid keeps one engine a process, so a simulation is a process of its own: this module, run as a program, reads a
`Request` on standard input and prints seconds. Casanova et al., "Versatile, Scalable, and Accurate Simulation of
Distributed Applications and Platforms" (J. Parallel Distrib. Comput. 74, 2014).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from typing import Any

import msgspec
from msgspec import Struct

from harness.analyse.projection.topologies import PORTS_DOWN, torus_sides
from kernels.api import InputError

# a simulation takes a thread a rank, and seconds beyond this
MOST_NODES = 256
_ALGORITHMS = ("recursive_doubling", "rabenseifner", "ring")


class Request(Struct, frozen=True, kw_only=True):
    """One allreduce of one rank a node; seconds, seconds a byte, bytes."""

    algorithm: str
    topology: str
    nodes: int
    message_bytes: float
    alpha_s: float
    beta_s_per_byte: float


def missing() -> str | None:
    """Why nothing can be simulated here, in a sentence a user can act on, or None."""
    if importlib.util.find_spec("simgrid") is None:
        return "needs SimGrid's Python module: pip install simgrid, or Debian's python3-simgrid"
    return None


def simulate_s(request: Request) -> float | None:
    """Seconds of the allreduce; None for what is not simulated: not a power of two of nodes, too many, a dragonfly.

    (SimGrid's dragonflies have the cabinets of one machine, and 3.32 crashes in them.)
    Raises `InputError` where SimGrid is not installed.
    """
    reason = missing()
    if reason:
        raise InputError(f"simulation: {reason}")
    too_much = not 1 < request.nodes <= MOST_NODES or request.nodes & (request.nodes - 1)
    if too_much or request.algorithm not in _ALGORITHMS or request.topology == "dragonfly":
        return None
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=msgspec.json.encode(request), capture_output=True, check=False)
    if done.returncode != 0:
        raise InputError(f"simulation: SimGrid failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return float(done.stdout.split()[-1])


def exchanges(request: Request, rank: int) -> list[tuple[int, int, float]]:
    """Whom a rank sends to, whom it receives from, and how many bytes, step by step."""
    nodes, size = request.nodes, request.message_bytes
    if request.algorithm == "ring":
        return [((rank + 1) % nodes, (rank - 1) % nodes, size / nodes)] * (2 * (nodes - 1))
    distances = [1 << step for step in range(nodes.bit_length() - 1)]
    if request.algorithm == "recursive_doubling":
        return [(rank ^ distance, rank ^ distance, size) for distance in distances]
    halves = [(rank ^ distance, rank ^ distance, size / (2 * distance)) for distance in distances]
    return halves + halves[::-1]


def sides_of(request: Request) -> list[int]:
    """The sides of a network whose nodes are linked directly, of which all are tori; empty for one with switches."""
    nodes = request.nodes
    sides = {"ring": [nodes], "torus": list(torus_sides(nodes)), "hypercube": [2] * (nodes.bit_length() - 1)}
    return sides.get(request.topology, [])


def host_of(request: Request, rank: int) -> int:
    """Where a rank runs: for a ring of messages along the cycle of a reflected Gray code, all neighbours."""
    if request.algorithm != "ring":
        return rank
    host, stride, above = 0, 1, rank
    for side in sides_of(request):
        above, digit = divmod(above, side)
        host += stride * (side - 1 - digit if above % 2 else digit)
        stride *= side
    return host if stride > 1 else rank


def describe_platform(request: Request) -> str:
    """The network in SimGrid's XML. A neighbour is alpha away, so a link of a switched network takes half of that."""
    nodes = request.nodes
    leaves = max(nodes // PORTS_DOWN, 1)
    direct = sides_of(request)
    if direct:
        topology = f' topology="TORUS" topo_parameters="{",".join(map(str, direct))}"'
    elif request.topology == "fat_tree":
        shape = f"2;{min(nodes, PORTS_DOWN)},{leaves};1,{PORTS_DOWN};1,1"
        topology = f' topology="FAT_TREE" topo_parameters="{shape}"'
    else:
        topology = ""
    latency_s = request.alpha_s / (1 if direct else 2)
    return f"""<?xml version="1.0"?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="cluster" prefix="" suffix="" radical="0-{nodes - 1}" speed="1Gf" bw="{1 / request.beta_s_per_byte!r}Bps"
           lat="{latency_s!r}s" sharing_policy="SPLITDUPLEX"{topology}/>
</platform>
"""


def load_engine(request: Request) -> Any:
    """SimGrid's engine with the request's network; a process can have one. Hosts do 1e9 operations a second."""
    import simgrid

    # latency + bytes / bandwidth on every message, nothing else: SimGrid's own corrections are those of TCP
    settings = "network/model:CM02", "network/crosstraffic:0", "network/TCP-gamma:0", "network/weight-S:0"
    engine = simgrid.Engine(["scalemark", *(f"--cfg={setting}" for setting in settings), "--log=root.thres:error"])
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as platform:
        platform.write(describe_platform(request))
        platform.flush()
        engine.load_platform(platform.name)
    return engine


def _run(request: Request) -> float:
    import simgrid

    engine = load_engine(request)
    for rank in range(request.nodes):
        simgrid.Actor.create(
            f"rank {rank}", simgrid.Host.by_name(str(host_of(request, rank))), _act, simgrid, request, rank
        )
    engine.run()
    return float(engine.clock)


def _act(simgrid: Any, request: Request, rank: int) -> None:
    for target, source, size in exchanges(request, rank):
        sending = simgrid.Mailbox.by_name(f"{rank} to {target}").put_async(rank, round(size))
        simgrid.Mailbox.by_name(f"{source} to {rank}").get()
        sending.wait()


if __name__ == "__main__":
    print(_run(msgspec.json.decode(sys.stdin.buffer.read(), type=Request)))
