"""Memory: how much, in which pages, and what else lives in it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Area, Finding, in_gb
from harness.doctor.tree import read, read_fields

AREA = Area("memory")
_LITTLE_BYTES = 2e9
# a container engine's default is 64 MiB; two MPI ranks and torch's workers want more
_SMALL_SHARED_BYTES = 1e9
_SWAP_IN_USE_BYTES = 100e6
_SEGMENTS = re.compile(r"mpich_shm_|mpich-|vader_segment|sm_segment|osc_rdma|torch_\d|nccl-|psm[23]_shm")


def examine_memory(root: Path) -> Iterator[Finding]:
    """How much there is, and whether any of it is swapped out."""
    sizes = {name: 1024 * int(value.split()[0]) for name, value in read_fields(root / "proc/meminfo", ":").items()}
    found = f"{in_gb(sizes['MemAvailable'])} of {in_gb(sizes['MemTotal'])} available"
    if sizes["MemAvailable"] < _LITTLE_BYTES:
        yield AREA.warning(
            "size", found, "a rank alone takes up to a gigabyte once torch is loaded; more than there is gets killed",
            "end what else runs here, or sweep fewer ranks",
        )  # fmt: skip
    else:
        yield AREA.ok("size", found)
    yield _judge_swap(sizes["SwapTotal"], sizes["SwapTotal"] - sizes["SwapFree"])


def examine_huge_pages(root: Path) -> Iterator[Finding]:
    """Whether large arrays get large pages."""
    told = re.search(r"\[(\w+)\]", read(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    if told is None:
        yield AREA.ok("huge pages", "not told")
    elif told[1] == "always":
        yield AREA.ok("huge pages", "always")
    elif told[1] == "madvise":
        yield AREA.note(
            "huge pages", "only for programs that ask (madvise)",
            "NumPy asks, torch does not: the same work on large arrays takes more TLB misses in torch",
            "THP_MEM_ALLOC_ENABLE=1 makes torch ask; to give them to all (root): "
            "echo always > /sys/kernel/mm/transparent_hugepage/enabled",
        )  # fmt: skip
    else:
        yield AREA.note(
            "huge pages", "never", "large arrays lie in 4 KiB pages, and TLB misses take bandwidth from all of them",
            "echo always > /sys/kernel/mm/transparent_hugepage/enabled (root)",
        )  # fmt: skip


def examine_shared_memory(root: Path) -> Iterator[Finding]:
    """Whether ranks of a node can meet in /dev/shm, and what killed ones left there."""
    size_bytes = shutil.disk_usage(root / "dev/shm").total
    yield judge_shared_size(size_bytes)
    yield from _judge_segments(left_segments(root), size_bytes)


def judge_shared_size(size_bytes: int) -> Finding:
    """Whether /dev/shm is of a size to exchange messages and batches through."""
    if size_bytes < _SMALL_SHARED_BYTES:
        return AREA.warning(
            "shared memory", f"/dev/shm holds {in_gb(size_bytes)}",
            "ranks of a node and torch's loaders exchange data through it; a bus error ends them when it is full",
            "give the container more (docker: --shm-size=8g or --ipc=host; Apptainer takes the host's)",
        )  # fmt: skip
    return AREA.ok("shared memory", f"/dev/shm holds up to {in_gb(size_bytes)}")


def left_segments(root: Path) -> dict[Path, int]:
    """This user's segments of MPI, NCCL and torch in /dev/shm that no process has mapped any more, with their bytes."""
    segments = {}
    for path in (root / "dev/shm").glob("*"):
        # ranks that end just now take theirs along
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            # of other users' processes the maps cannot be read, so nothing can be said of their segments
            if _SEGMENTS.match(path.name) and status.st_uid == os.geteuid():
                segments[path] = status.st_size
    if segments:
        for maps in (root / "proc").glob("[0-9]*/maps"):
            for name in re.findall(r"/dev/shm/(\S+)", read(maps) or ""):
                segments.pop(root / "dev/shm" / name, None)
    return segments


def _judge_segments(left: dict[Path, int], size_bytes: int) -> Iterator[Finding]:
    if not left:
        return
    total = sum(left.values())
    yield AREA.judge(
        "warning" if total > 0.1 * size_bytes else "note",
        "left segments", f"{len(left)} segments of killed ranks, {in_gb(total)}, lie in /dev/shm",
        "they take memory until somebody removes them",
        "when no MPI job of yours runs here: rm /dev/shm/mpich_shm_* (and their like of other libraries)",
    )  # fmt: skip


def _judge_swap(total_bytes: int, used_bytes: int) -> Finding:
    if used_bytes > _SWAP_IN_USE_BYTES:
        return AREA.warning(
            "swap", f"{in_gb(used_bytes)} of {in_gb(total_bytes)} in use",
            "memory has run short here, and what was swapped out comes back at a disk's pace in the middle of samples",
            "end what else runs here; swapoff -a (root) shows whether all fits",
        )  # fmt: skip
    return AREA.ok("swap", f"{in_gb(total_bytes)}, not in use" if total_bytes else "none")
