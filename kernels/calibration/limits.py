"""What a machine can do at best, and how long counted work therefore takes at least. Pure: nothing is measured here.

The roofline model (Williams, Waterman and Patterson, CACM 52(4), 2009) with a ceiling each for arithmetic, memory,
messages and storage: a step takes at least as long as the slowest of them, were all others free.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

from msgspec import Struct

from kernels.api import Work

K = TypeVar("K")
# beyond it the work was counted wrongly: measured rates scatter by a few per cent
MOST_FRACTION = 1.05


class Link(Struct, frozen=True, kw_only=True):
    """The way from one rank to another: seconds until anything arrives, and seconds a byte of a long message takes."""

    latency_s: float
    beta_s_per_byte: float


class Rates(Struct, frozen=True, kw_only=True):
    """What one rank does at best while all ranks and threads of its scale do the same; None is not measured.

    ``bandwidth`` maps working sets of a rank, in bytes, to bytes a second, ``arithmetic`` types to operations a second.
    ``page_cache`` and ``disk`` are bytes a second read from files.
    """

    bandwidth: dict[int, float] = {}
    arithmetic: dict[str, float] = {}
    within_node: Link | None = None
    between_nodes: Link | None = None
    page_cache: float | None = None
    disk: float | None = None


def best_of(several: Sequence[Rates]) -> Rates:
    """The best of each rate; what none has measured stays None."""

    def highest(found: Iterable[float | None]) -> float | None:
        return max((rate for rate in found if rate is not None), default=None)

    def merged(found: Sequence[dict[K, float]]) -> dict[K, float]:
        return {key: max(rates[key] for rates in found if key in rates) for key in dict.fromkeys(chain(*found))}

    def best_link(found: Iterable[Link | None]) -> Link | None:
        links = [link for link in found if link is not None]
        if not links:
            return None
        return Link(
            latency_s=min(link.latency_s for link in links),
            beta_s_per_byte=min(link.beta_s_per_byte for link in links),
        )

    return Rates(
        bandwidth=merged([rates.bandwidth for rates in several]),
        arithmetic=merged([rates.arithmetic for rates in several]),
        within_node=best_link(rates.within_node for rates in several),
        between_nodes=best_link(rates.between_nodes for rates in several),
        page_cache=highest(rates.page_cache for rates in several),
        disk=highest(rates.disk for rates in several),
    )


def bounds(work: Work, rates: Rates, nodes: int) -> dict[str, float]:
    """Seconds that a step takes at least, by what limits it: ``compute_s``, ``memory_s``, ``network_latency_s``,
    ``network_bandwidth_s`` and ``storage_s``, as far as the work is counted and the rate measured.

    Where a rule leaves a choice the shorter time stands, so that each stays a lower bound.
    """
    flops = rates.arithmetic.get(work.dtype)
    links = [link for link in (rates.within_node, rates.between_nodes) if link]
    storage = rates.disk if work.cold else rates.page_cache
    found = {
        "compute_s": work.flops / flops if flops else 0.0,
        "memory_s": work.memory_bytes / bandwidth_at(work.working_set_bytes, rates) if rates.bandwidth else 0.0,
        "network_latency_s": _latency_s(work.messages, rates, nodes),
        "network_bandwidth_s": work.sent_bytes * min((link.beta_s_per_byte for link in links), default=0.0),
        "storage_s": work.storage_bytes / storage if storage else 0.0,
    }
    return {name: bound_s for name, bound_s in found.items() if bound_s > 0}


def bandwidth_at(working_set_bytes: float, rates: Rates) -> float:
    """Bytes a second for a working set: the best of the measured sizes from the largest that is not above it.

    A set between two sizes fits the faster memory at least in part; one that is not counted (0) may fit the fastest.
    """
    sizes = sorted(rates.bandwidth)
    start = max((size for size in sizes if size <= working_set_bytes), default=sizes[0])
    return max(rates.bandwidth[size] for size in sizes if size >= start)


def _latency_s(messages: int, rates: Rates, nodes: int) -> float:
    """Of messages that follow one another as many leave the node as it takes to hear from every node.

    On N nodes that are ceil(log2 N), for each message at most doubles how many have been heard from (Chan et al.,
    Concurrency Computat. 19, 2007, section 4); the others may stay within.
    """
    between = min(messages, math.ceil(math.log2(nodes)))
    within_s = rates.within_node.latency_s if rates.within_node else 0.0
    between_s = rates.between_nodes.latency_s if rates.between_nodes else within_s
    return between * between_s + (messages - between) * within_s
