"""Ratios between the rows of a table: speed-ups over ranks, with their intervals, and over other backends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from harness.analyse.ratio import Launches, unpaired
from harness.analyse.scaling import TableRow


def with_speedups(rows: Sequence[TableRow]) -> list[TableRow]:
    """Rates over the rate of the series' fewest ranks (Hoefler and Belli, SC15, rule 1: the base is named)."""
    bases: dict[tuple[str, ...], TableRow] = {}
    for row in rows:
        if row.counts and row.rate and (row.line not in bases or row.size < bases[row.line].size):
            bases[row.line] = row
    return [_with_speedup(row, bases.get(row.line)) for row in rows]


def _with_speedup(row: TableRow, base: TableRow | None) -> TableRow:
    if base is None or not base.rate or not row.rate or not row.counts:
        return row
    speedup = row.rate / base.rate
    low, high = _speedup_interval(row, base)
    # of a base with several ranks the law speaks as of one: what grows with the ranks is seen from there on
    ranks = row.ranks / base.ranks
    return msgspec.structs.replace(
        row,
        speedup=speedup,
        speedup_low=low,
        speedup_high=high,
        efficiency=speedup / ranks,
        base_case_id=base.case_id,
        serial_fraction=karp_flatt(speedup, ranks),
        serial_fraction_low=karp_flatt(high, ranks),
        serial_fraction_high=karp_flatt(low, ranks),
    )


def _speedup_interval(row: TableRow, base: TableRow) -> tuple[float | None, float | None]:
    """95 % interval of the ratio of rates; none for the base, which is its own measure."""
    if row is base or not (row.work and base.work and row.median_s and base.median_s):
        return None, None
    sides = [Launches.of(np.log(side.launch_median_s).tolist()) for side in (row, base)]
    quicker = unpaired(*sides) if min(side.count for side in sides) > 1 else None
    if quicker is None:
        return None, None
    low, high = quicker.interval(0.95)
    grown = row.work.items / base.work.items
    return low * grown, high * grown


def karp_flatt(speedup: float | None, ranks: float) -> float | None:
    """The serial fraction (1/S - 1/p) / (1 - 1/p) that a speed-up tells; None on one rank or without a speed-up.

    Karp and Flatt, "Measuring Parallel Processor Performance" (CACM 33, 1990), equation 2. One that stays the same over
    ranks is serial work, one that rises is overhead, and a negative one is a speed-up beyond the ranks.
    """
    return (1 / speedup - 1 / ranks) / (1 - 1 / ranks) if speedup and ranks > 1 else None


def with_peers(rows: Sequence[TableRow]) -> list[TableRow]:
    """The ratio of the slowest backend's time to each row's, where several backends did the same."""
    peers: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for row in rows:
        if row.counts and row.median_s:
            peers[_peer_key(row)].append(row.median_s)
    return [
        msgspec.structs.replace(row, peer_speedup=max(peers[_peer_key(row)]) / row.median_s)
        if row.counts and row.median_s and len(peers[_peer_key(row)]) > 1
        else row
        for row in rows
    ]


def _peer_key(row: TableRow) -> tuple[object, ...]:
    """Kernel, stack, synchronisation, and of the case's id what follows the backend: scale, device and parameters.

    Also what was worked on: who is done sooner because they trained on less is not the fastest.
    """
    case = row.case_id.removeprefix(f"{row.kernel}.{row.backend}.")
    worked = (row.work.item, row.work.items) if row.work else None
    return row.kernel, row.stack, row.synchronisation, case, worked
