"""How the ranks start MPI."""

from __future__ import annotations

from typing import Any


def start_mpi(threads_call_mpi: bool) -> Any:
    """The communicator of all ranks, for calls from several threads only where somebody makes them.

    mpi4py asks for calls from any thread unless told otherwise, and the locks that this takes are most of a small
    message's time. Where MPI has been started already it stays as it is; the record tells the level.
    """
    import mpi4py

    mpi4py.rc.thread_level = "multiple" if threads_call_mpi else "funneled"
    from mpi4py import MPI

    return MPI.COMM_WORLD
