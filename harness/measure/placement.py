"""Where a rank runs: its place on the node, its threads and its cores."""

from __future__ import annotations

import os
from typing import Any

from harness.case import Scale


def place(rank: int, scale: Scale) -> dict[str, Any]:
    """Pin this rank to cores of its own and limit its threads; says what was done.

    Ranks fill nodes in blocks, so the place on the node is the rank modulo ranks per node. A rank that the launcher
    has bound already stays where it is. Where ranks × threads exceed the cores, nobody is pinned.
    """
    local = rank % scale.ranks_per_node
    allowed = sorted(os.sched_getaffinity(0))
    wanted = allowed[local * scale.threads : (local + 1) * scale.threads]
    bound_before = len(allowed) <= scale.threads
    pinned = bound_before or len(allowed) >= scale.ranks_per_node * scale.threads
    if pinned and not bound_before:
        os.sched_setaffinity(0, wanted)
    return {
        "rank": rank,
        "local_rank": local,
        "cores": sorted(os.sched_getaffinity(0)),
        "pinned": pinned,
        "threads": scale.threads,
    }
