"""Writing: one file a record, complete or not there at all, by any number of writers on a shared file system."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from harness.store.record import Record

_RETRIES = 5
_PAUSE_S = 0.05
# what a network file system says of a rename that may have happened, or of a folder that was made elsewhere just now
_PASSING = (errno.ESTALE, errno.ENOENT, errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ETIMEDOUT)


def runs_folder(results: Path, sweep: str) -> Path:
    """Where a sweep's records lie: ``<results>/runs/<sweep>``, one folder a case."""
    return results / "runs" / sweep


def record_path(results: Path, record: Record) -> Path:
    """Where a record lies."""
    return runs_folder(results, record.sweep) / record.case.id / f"{record.run_id}.json"


def write_record(results: Path, record: Record) -> Path:
    """Write a record under a name of its own; returns its path. Raises `OSError` when the folder takes no file."""
    path = record_path(results, record)
    write_atomic(path, msgspec.json.encode(record, enc_hook=_to_plain))
    return path


def _to_plain(value: Any) -> Any:
    """NumPy's and torch's scalars, which kernels may hand over as figures, as Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a record cannot hold {type(value).__name__}")


def write_atomic(path: Path, content: bytes) -> None:
    """Write to a temporary name beside ``path``, flush to the disk, rename.

    Network file systems fail now and then for a moment, so such a failure is believed only when it repeats itself.
    Raises `OSError` then, and at once for a full disk or a folder that takes no files.
    """
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    for attempt in range(_RETRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            return
        except OSError as error:
            if error.errno not in _PASSING or attempt == _RETRIES - 1:
                temporary.unlink(missing_ok=True)
                raise
            time.sleep(_PAUSE_S * 2**attempt)
