"""The file systems behind results and data."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from harness.doctor.finding import Area, Finding, in_gb
from harness.doctor.tree import read
from harness.store.write import write_atomic

AREA = Area("storage")
Purpose = Literal["results", "data"]
_FULL_BYTES, _NEARLY_FULL_BYTES = 10e6, 1e9
# records are written between runs, never while one is timed, so only a very slow disk is worth a word
_SLOW_WRITE_S = 0.2
_IN_MEMORY = ("tmpfs", "ramfs")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "afs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse")
_PARALLEL = ("lustre", "gpfs", "beegfs", "ceph", "fuse.ceph", "wekafs", "panfs", "pvfs2", "fuse.glusterfs", "daos")


def examine_folder(purpose: Purpose, folder: Path, root: Path) -> Iterator[Finding]:
    """What lies behind a folder that need not be there yet, and whether records can be written into it."""
    place = _existing(folder.absolute())
    if not place.is_dir():
        yield AREA.error(
            purpose, f"{folder}: {place} is a file, not a folder", "no record can be written",
            f"name another folder with {_option(purpose)}",
        )  # fmt: skip
        return
    yield _judge_type(purpose, folder, file_system(place, root))
    yield _judge_space(purpose, folder, shutil.disk_usage(place).free)
    yield _try_writing(purpose, folder, place)


def file_system(path: Path, root: Path) -> str:
    """The type of the file system that holds an absolute path, as the kernel names it; see proc_pid_mountinfo(5)."""
    found, type_ = Path(), ""
    for line in (read(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        mount = Path(_unescape(before.split()[4]))
        # of mounts on the same place the last one hides the others
        if (mount == path or mount in path.parents) and len(mount.parts) >= len(found.parts):
            found, type_ = mount, after.split()[0]
    return type_ or "unknown"


def _judge_type(purpose: Purpose, folder: Path, type_: str) -> Finding:
    subject, found = f"{purpose} on", f"{type_} ({folder})"
    if type_ in _IN_MEMORY:
        return AREA.warning(
            subject, found,
            "what lies there is gone with the next boot, other nodes cannot see it, and it takes the ranks' memory"
            if purpose == "results" else "a pipeline that reads it measures memory and not storage",
            f"name a folder on a disk with {_option(purpose)}",
        )  # fmt: skip
    if type_ == "overlay":
        return AREA.warning(
            subject, found, "what is written into a container's own layer goes when the container goes, and is slow",
            f"bind a folder of the host and name it with {_option(purpose)}",
        )  # fmt: skip
    if type_ in _NETWORK or type_ in _PARALLEL:
        kind = "a parallel" if type_ in _PARALLEL else "a network"
        return AREA.note(
            subject, f"{found}, {kind} file system",
            "all nodes see it, as jobs on a cluster need it; other users' traffic shows in what is read and written",
            "good for results; compare input pipelines within the same hour only, or stage data on a local disk",
        )  # fmt: skip
    return AREA.ok(subject, f"{found}, a local disk")


def _judge_space(purpose: Purpose, folder: Path, free_bytes: int) -> Finding:
    subject, found = f"{purpose}: space", f"{in_gb(free_bytes)} free"
    if free_bytes < _FULL_BYTES:
        return AREA.error(
            subject, found, "records that do not fit are lost together with the time they took",
            f"make room, or name another folder with {_option(purpose)}",
        )  # fmt: skip
    if free_bytes < _NEARLY_FULL_BYTES:
        return AREA.warning(
            subject, found, "a record takes up to a few hundred kilobytes, a default data set some megabytes",
            f"make room before a long sweep, or name another folder with {_option(purpose)}",
        )  # fmt: skip
    return AREA.ok(subject, found)


def _try_writing(purpose: Purpose, folder: Path, place: Path) -> Finding:
    """Do what a sweep does: lock a file, write another under a temporary name, rename it."""
    subject = f"{purpose}: writing"
    try:
        with tempfile.TemporaryDirectory(prefix=".scalemark-doctor-", dir=place) as trial:
            with (Path(trial) / ".lock").open("w") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            started = time.perf_counter()
            write_atomic(Path(trial) / "record.json", os.urandom(1 << 15))
            took_s = time.perf_counter() - started
    except OSError as error:
        return AREA.error(
            subject, f"{folder}: {error.strerror or error}",
            "a sweep locks its folder, writes each record under a temporary name and renames it",
            f"name a folder you can write to with {_option(purpose)}; on Lustre locks need the mount option flock",
        )  # fmt: skip
    found = f"a record is locked, written, flushed and renamed in {1e3 * took_s:.1f} ms"
    if took_s <= _SLOW_WRITE_S:
        return AREA.ok(subject, found)
    return AREA.note(
        subject, found, "each record of a sweep takes that long", "name a faster folder for sweeps of many short cases"
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest of its parents that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _option(purpose: Purpose) -> str:
    return "--results" if purpose == "results" else "SCALEMARK_DATA"


def _unescape(text: str) -> str:
    r"""A path of mountinfo, where blanks and their like are written in octal, such as ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda told: chr(int(told[1], 8)), text)
