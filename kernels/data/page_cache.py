"""Putting files out of the operating system's page cache, and looking whether they are out.

Only this machine's cache is meant: a hypervisor's or a parallel file system's servers may still hold the bytes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
# the page cache, dentries and inodes
_EVERYTHING = "3"


def drop(paths: Sequence[Path]) -> str:
    """Drop the pages of these files; the name of the means that was used.

    The superuser empties the whole cache; elsewhere, and where a container forbids that, each file's clean pages are
    given up by ``posix_fadvise``. Neither touches pages that some process has mapped.
    """
    give_up(paths)
    try:
        _DROP_CACHES.write_text(_EVERYTHING)
    except OSError:
        return "posix_fadvise"
    return "drop_caches"


def give_up(paths: Sequence[Path]) -> None:
    """Give up the clean pages of these files, and leave the rest of the cache as it is."""
    for path in paths:
        with path.open("rb") as file:
            # dirty pages would stay
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident_fraction(paths: Sequence[Path]) -> float:
    """The share of these files' pages that the page cache holds, by mincore(2); raises OSError."""
    resident = [_resident_pages(path) for path in paths if path.stat().st_size]
    return sum(int(pages.sum()) for pages in resident) / max(1, sum(pages.size for pages in resident))


def _resident_pages(path: Path) -> np.ndarray:
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        content = np.frombuffer(mapped, np.uint8)
        pages = np.zeros(-(-content.size // mmap.PAGESIZE), np.uint8)
        address, length = ctypes.c_void_p(content.ctypes.data), ctypes.c_size_t(content.size)
        del content
        if libc.mincore(address, length, ctypes.c_void_p(pages.ctypes.data)):
            raise OSError(ctypes.get_errno(), f"mincore of {path}")
    # the other bits are reserved
    return pages & 1
