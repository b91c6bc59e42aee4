"""Holding a folder for one process."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from kernels.api import InputError


@contextlib.contextmanager
def hold(folder: Path, taken: str, remedy: str) -> Iterator[None]:
    """Hold ``folder``, which is made where there is none; the lock goes with the process, however that ends.

    Raises `InputError`: with ``taken`` where another process holds it, with ``remedy`` where it takes no files.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; {remedy}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(taken) from error
        yield
