"""Horovod on the ranks of an mpi4py communicator."""

from __future__ import annotations

import os
from typing import Any

from kernels.api import Figure

_CYCLE = "HOROVOD_CYCLE_TIME"


class HorovodGroup:
    """``horovod``, the module horovod.torch, ready to be used over MPI until `close`. Both are collective.

    Horovod's thread collects tensors for a cycle and then sends them. Its default of 1 ms would be all that small
    messages show, so a cycle takes 0.1 ms where HOROVOD_CYCLE_TIME, in milliseconds, says nothing else.
    """

    def __init__(self, comm: Any) -> None:
        import horovod.torch

        self._cycle_ms = float(os.environ.setdefault(_CYCLE, "0.1"))
        self.horovod: Any = horovod.torch
        self.horovod.init(comm)
        seen = self.horovod.size()
        if seen != comm.size:
            raise RuntimeError(f"Horovod sees {seen} of {comm.size} ranks; right would be a build with MPI")

    def figure(self) -> Figure:
        """The cycle."""
        return Figure(name="cycle_time", value=self._cycle_ms * 1e-3, unit="s", better="lower")

    def close(self) -> None:
        """End Horovod's thread, which would go on asking MPI for work."""
        self.horovod.shutdown()
