"""How far apart nodes are, and how many messages share a link, on the networks that machines have.

Two patterns suffice for the collectives: a shift, where every node sends to the next one of a ring, and an exchange,
where every node sends to the one whose number differs in one bit. Nodes are numbered as suits the topology. Links carry
messages both ways at once, one node's link is as fast as any other, and a step ends with its slowest message.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

# ports of a fat tree's switches, half of them downwards: a common size of InfiniBand and Ethernet switches
PORTS_DOWN = 32


class Route(NamedTuple):
    """The longest way of a step: links beyond those to the nearest node, and the most messages on one link."""

    more_hops: int
    contention: float


class Topology(Struct, frozen=True):
    """A network: ``shift(nodes)`` and ``exchange(nodes, distance)`` tell the route, ``distance`` a power of two."""

    name: str
    summary: str
    shift: Callable[[int], Route]
    exchange: Callable[[int, int], Route]


_NEIGHBOUR = Route(0, 1.0)


def _ring_exchange(nodes: int, distance: int) -> Route:
    """Within 2d neighbours the d lower ones all cross the middle; the ring's two ways round bound what is far."""
    hops = min(distance, nodes - distance) if distance < nodes else 1
    return Route(hops - 1, float(hops))


@functools.lru_cache
def torus_sides(nodes: int) -> tuple[int, int, int]:
    """The sides of the most cubic three-dimensional torus that has room for ``nodes``, largest first."""
    best = (nodes, 1, 1)
    for short in range(1, round(nodes ** (1 / 3)) + 2):
        for middle in range(short, math.isqrt(math.ceil(nodes / short)) + 2):
            long = math.ceil(nodes / (short * middle))
            best = min(
                best, (max(long, middle), min(long, middle), short), key=lambda side: (math.prod(side), sum(side))
            )
    return best


def _torus_exchange(nodes: int, distance: int) -> Route:
    """Along the one side that the bit lies in, as in a ring of that side; exact where sides are powers of two."""
    for side in torus_sides(nodes):
        if distance < side:
            return _ring_exchange(side, distance)
        distance = max(distance // side, 1)
    return _NEIGHBOUR


def _tree_levels(span: int) -> int:
    """Levels of switches that ``span`` nodes next to one another need."""
    levels = 1
    while PORTS_DOWN**levels < span:
        levels += 1
    return levels


def _tree_shift(nodes: int) -> Route:
    return Route(2 * (_tree_levels(nodes) - 1), 1.0)


def _tree_exchange(nodes: int, distance: int) -> Route:
    return Route(2 * (_tree_levels(2 * distance) - 1), 1.0)


@functools.lru_cache
def dragonfly_arity(nodes: int) -> int:
    """The smallest h of a balanced dragonfly that has room: h nodes a router, 2h routers a group, 2h^2 + 1 groups."""
    arity = 1
    while 2 * arity**2 * (2 * arity**2 + 1) < nodes:
        arity += 1
    return arity


def _dragonfly_shift(nodes: int) -> Route:
    """Local, global, local from the last node of a group to the first of the next, alone on its way."""
    return Route(0 if nodes <= dragonfly_arity(nodes) else 3, 1.0)


def _dragonfly_exchange(nodes: int, distance: int) -> Route:
    """By random intermediate groups, as adaptive routing does it where all nodes of a group send to one other group.

    Every message takes two global links of the one that each node has (Valiant routing); the shortest way alone would
    put 2h^2 messages on one. Within a group, over an intermediate router.
    """
    arity = dragonfly_arity(nodes)
    if distance < arity:
        return _NEIGHBOUR
    within_group = distance < 2 * arity**2
    return Route(2 if within_group else 5, min(2.0, float(arity)) if within_group else min(2.0, 2.0 * arity**2))


TOPOLOGIES = {
    topology.name: topology
    for topology in (
        Topology("fully_connected", "a link between any two nodes", lambda n: _NEIGHBOUR, lambda n, d: _NEIGHBOUR),
        Topology(
            "fat_tree",
            f"{2 * PORTS_DOWN}-port switches, as many links up as down (Leiserson, IEEE Trans. Comput. C-34, 1985), "
            "routed without conflicts",
            _tree_shift,
            _tree_exchange,
        ),
        Topology(
            "dragonfly",
            "balanced, adaptively routed (Kim, Dally, Scott and Abts, ISCA 2008)",
            _dragonfly_shift,
            _dragonfly_exchange,
        ),
        Topology(
            "torus",
            "three dimensions, as cubic as possible, the ring a Hamiltonian cycle",
            lambda n: _NEIGHBOUR,
            _torus_exchange,
        ),
        Topology(
            "hypercube",
            "a link along every bit of the number, the ring in the order of a Gray code",
            lambda n: _NEIGHBOUR,
            lambda n, d: _NEIGHBOUR,
        ),
        Topology("ring", "a link to either neighbour", lambda n: _NEIGHBOUR, _ring_exchange),
    )
}
