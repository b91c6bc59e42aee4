"""Allreduce algorithms as schedules: what every rank sends, receives and adds, round by round. Pure: nothing is sent.

A vector of ``elements`` lies on each of ``ranks`` ranks. A schedule belongs to one rank; if all ranks follow theirs,
each ends with the sum. With n elements, p ranks, q the largest power of two that is at most p, and the costs α of a
message, β of an element sent and γ of an element added (Thakur, Rabenseifner and Gropp, Int. J. High Perform. Comput.
Appl. 19(1), 2005, section 4; Patarasu and Yuan, J. Parallel Distrib. Comput. 69, 2009):

- recursive doubling: log2 q (α + nβ + nγ), the fewest messages;
- Rabenseifner, a reduce-scatter by recursive halving and an allgather by doubling:
  2 log2 q α + 2(q-1)/q nβ + (q-1)/q nγ;
- ring: 2(p-1) α + 2(p-1)/p nβ + (p-1)/p nγ, the fewest bytes for any p;
- hierarchical: a reduce-scatter within each group of ranks, Rabenseifner between groups on each part, an allgather.

Where p is no power of two, the first two fold: p - q ranks give their vector to a neighbour and wait
for the sum, which adds 2α + 2nβ + nγ.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from kernels.api import divide


class Round(Struct, frozen=True, kw_only=True):
    """A rank sends the elements ``sent`` to ``to`` while it receives ``received`` from ``source``.

    What it receives it ``adds`` to what it has, or else puts in its place. An empty range is no message.
    """

    to: int = -1
    sent: range = range(0)
    source: int = -1
    received: range = range(0)
    adds: bool = False


Schedule = list[Round]


class Cost(Struct, frozen=True, kw_only=True):
    """Of a schedule: messages that follow one another, and what the rank sends and adds that does most, in elements.

    No input takes part in more than ``depth`` additions.
    """

    messages: int
    sent: int
    added: int
    depth: int


def ring(ranks: Sequence[int], rank: int, elements: int) -> Schedule:
    """Every rank passes parts on to the next one, first their sums and then the results."""
    whole = range(elements)
    return [*_ring_reduce_scatter(ranks, rank, whole), *_ring_allgather(ranks, rank, whole)]


def recursive_doubling(ranks: Sequence[int], rank: int, elements: int) -> Schedule:
    """Partners exchange their whole vectors; the distance between partners doubles."""

    def exchange(ranks: Sequence[int], place: int, part: range) -> Schedule:
        partners = (ranks[place ^ distance] for distance in _powers_below(len(ranks)))
        return [Round(to=other, sent=part, source=other, received=part, adds=True) for other in partners]

    return _fold(ranks, rank, range(elements), exchange)


def rabenseifner(ranks: Sequence[int], rank: int, elements: int) -> Schedule:
    """Partners exchange halves of what is left, and then gather the sums on the same way back."""
    return _fold(ranks, rank, range(elements), _halve_and_double)


def hierarchical(groups: Sequence[Sequence[int]], rank: int, elements: int) -> Schedule:
    """As many ranks of each group as the smallest group has are its leaders; the others fold onto them.

    A group's leaders reduce-scatter the vector by a ring, those of equal place sum their part over the groups, and each
    group gathers the parts.
    """
    whole, width = range(elements), min(map(len, groups))
    group = next(group for group in groups if rank in group)
    leaders, place = group[:width], group.index(rank)
    if place >= width:
        return _give_and_wait(leaders[place % width], whole)
    followers = group[width + place :: width]
    part = _part(whole, width, place)
    across = _fold([other[place] for other in groups], rank, part, _halve_and_double)
    inner = [*_ring_reduce_scatter(leaders, rank, whole), *across, *_ring_allgather(leaders, rank, whole)]
    return _take_in(followers, inner, whole)


def near_square(ranks: int) -> list[range]:
    """Groups of about √p neighbours, of one size unless p is a prime number."""
    divisors = [size for size in range(2, math.isqrt(ranks) + 1) if ranks % size == 0]
    groups = max(divisors, default=math.ceil(ranks / math.ceil(math.sqrt(ranks))))
    return [divide(ranks, groups, group) for group in range(groups)]


def count(schedules: Sequence[Schedule]) -> Cost:
    """What all ranks' schedules cost together.

    Messages on the critical path are counted on clocks: one takes a unit, and a rank goes on when its round's messages
    have left and come. Raises ValueError when ranks wait for messages that nobody sends.
    """
    clocks, depths = _follow(schedules)
    return Cost(
        messages=max(clocks),
        sent=max(sum(len(step.sent) for step in schedule) for schedule in schedules),
        added=max(sum(len(step.received) for step in schedule if step.adds) for schedule in schedules),
        depth=max(depths),
    )


def _ring_reduce_scatter(ranks: Sequence[int], rank: int, whole: range) -> Schedule:
    """Leaves the sum of part i on the rank of place i."""
    size, place = len(ranks), ranks.index(rank)
    return [
        _pass_on(ranks, place, _part(whole, size, place - turn), _part(whole, size, place - turn - 1), adds=True)
        for turn in range(1, size)
    ]


def _ring_allgather(ranks: Sequence[int], rank: int, whole: range) -> Schedule:
    """Takes part i from the rank of place i to all."""
    size, place = len(ranks), ranks.index(rank)
    return [
        _pass_on(ranks, place, _part(whole, size, place - turn), _part(whole, size, place - turn - 1), adds=False)
        for turn in range(size - 1)
    ]


def _pass_on(ranks: Sequence[int], place: int, sent: range, received: range, *, adds: bool) -> Round:
    after, before = ranks[(place + 1) % len(ranks)], ranks[place - 1]
    return Round(to=after, sent=sent, source=before, received=received, adds=adds)


def _halve_and_double(ranks: Sequence[int], place: int, part: range) -> Schedule:
    """Of a power of two of ranks, the one at ``place``; distances fall from p/2 to 1 and rise again."""
    parts, distances = [part], _powers_below(len(ranks))[::-1]
    for distance in distances:
        parts.append(_part(parts[-1], 2, bool(place & distance)))
    steps = list(zip(distances, pairwise(parts), strict=True))
    halving, doubling = [], []
    for distance, (left, kept) in steps:
        other, given = ranks[place ^ distance], _part(left, 2, not place & distance)
        halving.append(Round(to=other, sent=given, source=other, received=kept, adds=True))
        doubling.append(Round(to=other, sent=kept, source=other, received=given))
    return [*halving, *doubling[::-1]]


def _fold(
    ranks: Sequence[int], rank: int, part: range, exchange: Callable[[Sequence[int], int, range], Schedule]
) -> Schedule:
    """``exchange`` among a power of two of ranks; each of the others gives its vector to a neighbour and waits."""
    size, place = len(ranks), ranks.index(rank)
    folded = size - (1 << size.bit_length() - 1)
    if place < 2 * folded and place % 2:
        return _give_and_wait(ranks[place - 1], part)
    kept = [*ranks[: 2 * folded : 2], *ranks[2 * folded :]]
    followers = ranks[place + 1 : place + 2] if place < 2 * folded else ()
    return _take_in(followers, exchange(kept, kept.index(rank), part), part)


def _give_and_wait(leader: int, part: range) -> Schedule:
    return [Round(to=leader, sent=part), Round(source=leader, received=part)]


def _take_in(followers: Sequence[int], inner: Schedule, part: range) -> Schedule:
    """Add the followers' vectors, do what is ``inner``, send them the sum."""
    taken = [Round(source=follower, received=part, adds=True) for follower in followers]
    return [*taken, *inner, *(Round(to=follower, sent=part) for follower in followers)]


def _part(whole: range, parts: int, index: int) -> range:
    share = divide(len(whole), parts, index % parts)
    return whole[share.start : share.stop]


def _powers_below(size: int) -> list[int]:
    return [1 << bit for bit in range(size.bit_length() - 1)]


def _follow(schedules: Sequence[Schedule]) -> tuple[list[int], list[int]]:
    """Each rank's clock at its end, and the most additions that are behind anything it has."""
    clocks, depths = [0] * len(schedules), [0] * len(schedules)
    # by sender and receiver, in order: when a message arrives and the additions behind it
    arrived: defaultdict[tuple[int, int], deque[tuple[int, int]]] = defaultdict(deque)

    def run(rank: int, schedule: Schedule) -> Iterator[int]:
        """Gives the round that waits for a message."""
        for place, step in enumerate(schedule):
            if step.sent:
                clocks[rank] += 1
                arrived[rank, step.to].append((clocks[rank], depths[rank]))
            if step.received:
                messages = arrived[step.source, rank]
                while not messages:
                    yield place
                clock, depth = messages.popleft()
                clocks[rank] = max(clocks[rank], clock)
                depths[rank] = max(depths[rank], depth) + step.adds

    running = {rank: run(rank, schedule) for rank, schedule in enumerate(schedules)}
    places: dict[int, int | None] = {}
    while running:
        before, places = places, {rank: next(process, None) for rank, process in running.items()}
        if places == before:
            raise ValueError(f"ranks {', '.join(map(str, running))} wait for messages that nobody sends")
        running = {rank: running[rank] for rank, place in places.items() if place is not None}
    return clocks, depths
