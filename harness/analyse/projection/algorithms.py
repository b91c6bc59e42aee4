"""What an allreduce costs on a network: the terms of alpha, beta and gamma of each algorithm, in closed form."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from msgspec import Struct

from harness.analyse.projection.topologies import Topology


class Links(Struct, frozen=True, kw_only=True):
    """What a message costs, in seconds: alpha + bytes beta, between nodes and within one, and what comes on top.

    A step over more links than to the nearest node takes ``hop_s`` more for each; ``gamma_s_per_byte`` is the addition
    of received bytes. The order of the fields is the order of the terms of a cost.
    """

    alpha_s: float
    beta_s_per_byte: float
    node_alpha_s: float
    node_beta_s_per_byte: float
    gamma_s_per_byte: float
    hop_s: float

    @property
    def values(self) -> np.ndarray:
        """The six values, float64: a cost is their product with `Terms.values`."""
        return np.array(msgspec.structs.astuple(self))


class Terms:
    """How often each of `Links`' values counts in a job of ``nodes`` x ``ranks_per_node`` ranks, placed in blocks."""

    def __init__(self, topology: Topology, nodes: int, ranks_per_node: int) -> None:
        self.topology = topology
        self.nodes = nodes
        self.ranks_per_node = ranks_per_node
        self.values = np.zeros(6)

    @property
    def ranks(self) -> int:
        """All ranks of the job."""
        return self.nodes * self.ranks_per_node

    def shift(self, sent_bytes: float, steps: int = 1) -> None:
        """Every rank sends to the next; one message a node leaves it, and where there is one it is the slowest."""
        if self.nodes == 1:
            self._within_node(sent_bytes, steps)
        else:
            route = self.topology.shift(self.nodes)
            self._between_nodes(route.contention * sent_bytes, route.more_hops, steps)

    def exchange(self, distance: int, sent_bytes: float) -> None:
        """Every rank sends to the one at a distance; the ranks of a node share its link."""
        if distance < self.ranks_per_node:
            self._within_node(sent_bytes)
        else:
            route = self.topology.exchange(self.nodes, distance // self.ranks_per_node)
            self._between_nodes(route.contention * self.ranks_per_node * sent_bytes, route.more_hops)

    def share_within_node(self, sent_bytes: float) -> None:
        """A ring of the ranks of each node, every rank sending to the next, once round but for one step."""
        self._within_node(sent_bytes, self.ranks_per_node - 1)

    def exchange_between_nodes(self, distance: int, sent_bytes: float) -> None:
        """Every rank sends to its like on the node at a distance; the ranks of a node share its link."""
        self.exchange(distance * self.ranks_per_node, sent_bytes)

    def add(self, added_bytes: float) -> None:
        """A rank adds bytes that it received to its own."""
        self.values[4] += added_bytes

    def _between_nodes(self, sent_bytes: float, more_hops: int, steps: int = 1) -> None:
        self.values[[0, 1, 5]] += steps, steps * sent_bytes, steps * more_hops

    def _within_node(self, sent_bytes: float, steps: int = 1) -> None:
        self.values[[2, 3]] += steps, steps * sent_bytes


def recursive_doubling(message_bytes: float, terms: Terms) -> None:
    """log2(p) exchanges of the whole message (Thakur, Rabenseifner and Gropp, IJHPCA 19, 2005, section 4.5)."""
    for distance in _doubling(message_bytes, terms, terms.ranks, terms.exchange):
        terms.exchange(distance, message_bytes)
        terms.add(message_bytes)


def rabenseifner(message_bytes: float, terms: Terms) -> None:
    """Reduce-scatter by vector halving and distance doubling, allgather back (Rabenseifner, ICCS 2004, section 4).

    The halves grow smaller as the partners grow further apart.
    """
    _halve(message_bytes, terms, terms.ranks, terms.exchange)


def ring(message_bytes: float, terms: Terms) -> None:
    """2 (p - 1) shifts of n/p bytes (Patarasu and Yuan, J. Parallel Distrib. Comput. 69, 2009, section 4)."""
    ranks = terms.ranks
    terms.shift(message_bytes / ranks, 2 * (ranks - 1))
    terms.add((ranks - 1) / ranks * message_bytes)


def hierarchical(message_bytes: float, terms: Terms) -> None:
    """Reduce-scatter in each node, each rank's part between nodes by `rabenseifner`, allgather in each node."""
    part_bytes = message_bytes / terms.ranks_per_node
    terms.share_within_node(part_bytes)
    terms.add((terms.ranks_per_node - 1) * part_bytes)
    _halve(part_bytes, terms, terms.nodes, terms.exchange_between_nodes)
    terms.share_within_node(part_bytes)


Exchange = Callable[[int, float], None]


def _halve(message_bytes: float, terms: Terms, places: int, exchange: Exchange) -> None:
    part_bytes = message_bytes
    for distance in _doubling(message_bytes, terms, places, exchange):
        part_bytes /= 2
        exchange(distance, part_bytes)
        exchange(distance, part_bytes)
        terms.add(part_bytes)


def _doubling(message_bytes: float, terms: Terms, places: int, exchange: Exchange) -> list[int]:
    """The distances 1, 2, 4, ... among a power of two of places; those beyond it give all first and get all at last."""
    rounds = places.bit_length() - 1
    if places > 1 << rounds:
        exchange(1, message_bytes)
        terms.add(message_bytes)
        exchange(1, message_bytes)
    return [1 << step for step in range(rounds)]


ALGORITHMS: dict[str, Callable[[float, Terms], None]] = {
    "recursive_doubling": recursive_doubling,
    "rabenseifner": rabenseifner,
    "ring": ring,
    "hierarchical": hierarchical,
}


def count_terms(
    algorithm: str, topology: Topology, nodes: int, ranks_per_node: int, message_bytes: float
) -> np.ndarray:
    """How often each of `Links`' values counts in one allreduce, float64 [6]."""
    terms = Terms(topology, nodes, ranks_per_node)
    if terms.ranks > 1:
        ALGORITHMS[algorithm](message_bytes, terms)
    return terms.values
