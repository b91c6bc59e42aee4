"""Work that releases the interpreter lock, shared among threads.

Python's threads rather than Numba's: those spin between two loops, beside torch's own and those of other ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="scalemark")


def count(work: int, work_per_worker: int) -> int:
    """How many threads pay for so much work; no more than torch uses."""
    return max(1, min(torch.get_num_threads(), work // work_per_worker))


def share(workers: int, work: Callable[..., None], *arguments: object) -> None:
    """Call ``work(*arguments, worker, workers)`` for every worker, each in a thread of its own."""
    others = [_pool().submit(work, *arguments, worker, workers) for worker in range(1, workers)]
    work(*arguments, 0, workers)
    for other in others:
        other.result()
