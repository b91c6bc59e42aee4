"""Latency and bandwidth between two ranks, in compiled loops: Python's own calls would hide what the link can do."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from kernels.calibration.limits import Link
from kernels.communication.compiled_mpi import bind, handle_type

_SMALL_BYTES = 8
# the message at which a link is at its best differs from one MPI library and network to the next
_LARGE_BYTES = (1 << 16, 1 << 18, 1 << 20, 1 << 22)
_TRIALS = 20
_SMALL_ROUNDS = 200
_MOVED_BYTES = 1 << 22
# of a trial and of all of a size: reached only where the two ranks share a core, or many ranks the machine
_TRIAL_S = 0.02
_WITHIN_S = 0.1
# more than any library's MPI_Status
_STATUS_BYTES = 256


class LinkProbe:
    """The link between the two ranks of ``comm``, which it frees. Every method is called on both together."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._comm = comm
        self._sent = _draw(comm.rank)
        self._received = np.zeros_like(self._sent)
        self._status = np.empty(_STATUS_BYTES, np.uint8)
        self._handles = MPI._handleof(MPI.BYTE), MPI._handleof(comm)
        self._loop = _compile_ping_pong()
        self._round_trip_s(_SMALL_BYTES, 1)

    def measure(self) -> Link:
        """One round: the latency is half a small ping-pong, the bandwidth that of the best large message."""
        small_s = self._quickest_s(_SMALL_BYTES, _SMALL_ROUNDS)
        betas = [self._quickest_s(size, max(2, _MOVED_BYTES // size)) / size for size in _LARGE_BYTES]
        return Link(latency_s=small_s / 2, beta_s_per_byte=min(betas) / 2)

    def arrives_whole(self) -> bool:
        """Whether the other rank's bytes, sent once more, are those that this one then has."""
        self._received[:] = 0
        self._round_trip_s(self._sent.size, 1)
        return bool(np.array_equal(self._received, _draw(1 - self._comm.rank)))

    def close(self) -> None:
        """Free the communicator."""
        self._comm.Free()

    def _quickest_s(self, size_bytes: int, rounds: int) -> float:
        """Seconds of a round trip in the quickest trial of at most ``rounds``, as many as rank 0 finds time for."""
        end_s = perf_counter() + _WITHIN_S
        best_s = self._round_trip_s(size_bytes, 1)
        rounds = self._comm.bcast(min(rounds, max(1, int(_TRIAL_S / best_s))))
        for _ in range(_TRIALS):
            best_s = min(best_s, self._round_trip_s(size_bytes, rounds))
            if self._comm.bcast(perf_counter() > end_s):
                break
        return best_s

    def _round_trip_s(self, size_bytes: int, rounds: int) -> float:
        buffers = self._sent.ctypes.data, self._received.ctypes.data, self._status.ctypes.data
        self._comm.Barrier()
        start_s = perf_counter()
        self._loop(*buffers, size_bytes, rounds, self._comm.rank, *self._handles)
        return (perf_counter() - start_s) / rounds


def _draw(rank: int) -> np.ndarray:
    """The rank's message, uint8 [largest size]."""
    return np.random.default_rng(rank).integers(256, size=max(_LARGE_BYTES), dtype=np.uint8)


@functools.cache
def _compile_ping_pong() -> Callable[..., None]:
    """The loop of `LinkProbe`, compiled once a process. MPI's own error handler ends a rank whose call fails."""
    import numba

    handle, address, number = handle_type(), ctypes.c_size_t, ctypes.c_int
    send = bind("MPI_Send", address, number, handle, number, number, handle)
    receive = bind("MPI_Recv", address, number, handle, number, number, handle, address)

    @numba.njit
    def loop(sent, received, status, size_bytes, rounds, rank, byte, comm):  # type: ignore[no-untyped-def]  # noqa: ANN202
        for _ in range(rounds):
            if rank == 0:
                send(sent, size_bytes, byte, 1, 0, comm)
            receive(received, size_bytes, byte, 1 - rank, 0, comm, status)
            if rank == 1:
                send(sent, size_bytes, byte, 0, 0, comm)

    return loop
