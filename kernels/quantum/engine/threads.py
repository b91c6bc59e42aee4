"""Work that releases the interpreter lock, shared among threads.

Python's threads rather than Numba's: those spin between two loops, beside torch's own and those of other ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import torch

# a pool starts a thread only where none is idle; its own limit, 32 and fewer, would be below some machines' cores
_MOST_THREADS = 1 << 12


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="scalemark")


def count(work: int, work_per_worker: int) -> int:
    """How many threads pay for so much work; no more than torch uses."""
    return max(1, min(torch.get_num_threads(), work // work_per_worker))


def share(workers: int, work: Callable[..., None], *arguments: object) -> None:
    """Call ``work(*arguments, worker, workers)`` for every worker, each in a thread of its own.

    Raises what a worker raises, when none of them works any longer: they write to the caller's arrays.
    """
    others = [_pool().submit(work, *arguments, worker, workers) for worker in range(1, workers)]
    try:
        work(*arguments, 0, workers)
    finally:
        wait(others)
    for other in others:
        other.result()
