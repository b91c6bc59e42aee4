"""Bandwidth of memory and caches: loops over working sets of growing size, on every thread of the rank at once.

Copy and triad are STREAM's (McCalpin, IEEE TCCA Newsletter, 1995); bytes are counted as there, without the read that a
write may need first. Updating in place needs none, and reading alone writes nothing: each is the fastest somewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.calibration.trials import quickest_s
from kernels.compiling import numba

Floats = NDArray[np.float64]

# working sets of a thread, in bytes: from the first-level cache to beyond what caches usually keep; closer together
# where the last cache usually ends, since a set between two sizes is given the smaller one's rate
SIZES_BYTES = (*(4**power for power in range(7, 13)), 1 << 25, 1 << 26, 1 << 28)
# the first finds the caches cold, and on a busy machine only some are left alone
_TRIALS = 3
# moved in one of them, so that it takes about a millisecond
_MOVED_BYTES = 1 << 25
# a factor that keeps the numbers, which are repeatedly multiplied by it, far from zero
_FACTOR = 0.999999


@numba.njit(cache=True, nogil=True)
def copy(a: Floats, b: Floats, repeats: int) -> None:
    """One array to the other, to and fro."""
    for _ in range(repeats):
        for index in range(a.size):
            b[index] = a[index]
        a, b = b, a


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def triad(a: Floats, b: Floats, c: Floats, repeats: int) -> None:
    """``c = a + s b``, each array in turn the result."""
    for _ in range(repeats):
        for index in range(a.size):
            c[index] = a[index] + 0.5 * b[index]
        a, b, c = b, c, a


@numba.njit(cache=True, nogil=True)
def update(a: Floats, repeats: int) -> None:
    """Every element by a factor, in place."""
    for _ in range(repeats):
        for index in range(a.size):
            a[index] *= _FACTOR


@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def read(a: Floats, repeats: int) -> float:
    """The sum of all elements; it enters the next one, so that no repeat can be left out."""
    total = 0.0
    for _ in range(repeats):
        part = 0.0
        for index in range(a.size):
            part += a[index]
        total = 0.5 * total + part
    return total


# each loop with its number of arrays and how often it moves a byte of its working set
_LOOPS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "copy": (copy, 2, 1),
    "triad": (triad, 3, 1),
    "update": (update, 1, 2),
    "read": (read, 1, 1),
}


class MemoryProbe:
    """Bandwidths of this rank with ``threads`` threads; ``largest_bytes`` bounds the working set of a thread."""

    def __init__(self, threads: int, largest_bytes: int) -> None:
        self.threads = threads
        self.sizes_bytes = [size for size in SIZES_BYTES if size <= max(largest_bytes, SIZES_BYTES[0])]
        elements = self.sizes_bytes[-1] // 8
        self._pool = ThreadPoolExecutor(threads)
        self._memory = [np.full(elements, 1.0) for _ in range(threads)]

    def rates(self, size_bytes: int, threads: int) -> dict[str, float]:
        """Bytes a second of each loop on ``threads`` threads together, each with a working set of ``size_bytes``."""
        return {loop: self._rate(loop, size_bytes, threads) for loop in _LOOPS}

    def _rate(self, loop: str, size_bytes: int, threads: int) -> float:
        function, parts, moves = _LOOPS[loop]
        repeats = max(1, _MOVED_BYTES // (size_bytes * moves))
        length = size_bytes // 8 // parts
        together = threading.Barrier(threads)

        def time_one(memory: Floats) -> float:
            arrays = [memory[part * length : (part + 1) * length] for part in range(parts)]
            together.wait()
            return 8 * length * parts * moves * repeats / quickest_s(lambda: function(*arrays, repeats), _TRIALS)

        if threads == 1:
            return time_one(self._memory[0])
        return sum(self._pool.map(time_one, self._memory[:threads]))

    def close(self) -> None:
        """End the threads and give the memory back."""
        self._pool.shutdown()
        self._memory.clear()
