"""How fast files come back: from the page cache and from what lies behind it."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from kernels.data import page_cache

_FILE_BYTES = 1 << 25
_BLOCK_BYTES = 1 << 20
# a device is at its best only with several requests at a time
_READERS = 4
# a slow one need not give the whole file back
_DISK_S = 0.5
# of pages that stayed in memory although they were given up, above which a read is none from the disk
_MOST_RESIDENT = 0.05


class StorageProbe:
    """A file of this rank's own in ``folder``, of random bytes, so that nothing below can compress it away."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._bytes = np.random.default_rng(seed).bytes(_FILE_BYTES)
        handle, name = tempfile.mkstemp(prefix="calibration-", dir=folder)
        self.path = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(self._bytes)
            file.flush()
            os.fsync(file.fileno())
        self._block = bytearray(_BLOCK_BYTES)
        self._pool = ThreadPoolExecutor(_READERS)

    def page_cache(self) -> float:
        """Bytes a second out of the page cache, by reading or out of mapped pages, whichever is faster."""
        return max(self._rate(self._read), self._mapped_rate())

    def disk(self) -> float | None:
        """Bytes a second after the pages were given up; None where they stay, as in a file system in memory."""
        page_cache.give_up([self.path])
        if page_cache.resident_fraction([self.path]) > _MOST_RESIDENT:
            return None
        start_s = perf_counter()
        return sum(self._pool.map(self._read_part, range(_READERS))) / (perf_counter() - start_s)

    def reads_back(self) -> bool:
        """Whether the file holds what was written."""
        return self.path.read_bytes() == self._bytes

    def close(self) -> None:
        """Remove the file."""
        self._pool.shutdown()
        self.path.unlink(missing_ok=True)

    def _rate(self, work: Callable[[], object]) -> float:
        start_s = perf_counter()
        work()
        return _FILE_BYTES / (perf_counter() - start_s)

    def _read(self) -> None:
        with self.path.open("rb", buffering=0) as file:
            while file.readinto(self._block):
                pass

    def _read_part(self, part: int) -> int:
        """Bytes of every fourth block that were read in the time there is."""
        block = bytearray(_BLOCK_BYTES)
        end_s = perf_counter() + _DISK_S
        read_bytes = 0
        with self.path.open("rb", buffering=0) as file:
            for start in range(part * _BLOCK_BYTES, _FILE_BYTES, _READERS * _BLOCK_BYTES):
                read_bytes += os.preadv(file.fileno(), [block], start)
                if perf_counter() > end_s:
                    break
        return read_bytes

    def _mapped_rate(self) -> float:
        target = np.frombuffer(self._block, np.uint8)
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            pages = np.frombuffer(mapped, np.uint8).reshape(-1, _BLOCK_BYTES)
            # the page table is filled before the clock starts, as it is in a reader that keeps its mapping
            pages[:, :: mmap.PAGESIZE].max()
            rate = self._rate(partial(_copy_blocks, target, pages))
            # a mapping that an array still looks into cannot be closed
            del pages
        return rate


def _copy_blocks(target: np.ndarray, blocks: np.ndarray) -> None:
    for block in blocks:
        np.copyto(target, block)
