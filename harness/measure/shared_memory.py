"""MPICH's shared memory, that nothing of it is left behind however the ranks end."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

_NAMES = "/dev/shm/mpich_shm_"


def take_names_away(comm: Any) -> None:
    """Delete the names of the shared memory that this process and its neighbours have mapped by now.

    Called on all ranks. MPICH deletes them when it ends, and so never when it is killed; what is mapped stays until the
    last process has gone, with a name or without. Later memory, such as windows', is not looked for.
    """
    # the slowest neighbour has to have opened it
    comm.barrier()
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if path.startswith(_NAMES):
            with contextlib.suppress(OSError):
                Path(path).unlink()
