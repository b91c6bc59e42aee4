"""Allreduce among the ranks of one node, through memory that they share, compiled by Numba.

Every rank writes its part where all can read it, says so, and adds up what the others wrote. Between ranks of a node
MPI itself goes such ways: a message would cost several times as much as a few kilobytes do.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from kernels.communication.compiled_mpi import TimedCalls, address_of, begin, end
from kernels.communication.intrinsics import array_at, call_address, load_acquire, store_release
from kernels.communication.vectors import add, copy
from kernels.compiling import numba

# a pair of cache lines, which processors fetch together: what is next to a flag is not fetched away by those who wait
_LINE_BYTES = 128
# beyond it the segment would leave a core's own cache between writing and reading
_MOST_SEGMENT_BYTES = 1 << 16
# how often a rank looks before it lets others run, who may be waiting for its core
_LOOKS = 10_000


class SharedAllreduce:
    """This rank's part, ``timed``, of an allreduce of ``sent`` into ``received``, float32 or float64, [elements] both.

    All ranks of ``comm`` are on one node and make and close it together. A rank's region of the memory that they share
    has a line for its flag, and two places for a segment.
    """

    def __init__(self, comm: Any, sent: np.ndarray, received: np.ndarray) -> None:
        from mpi4py import MPI

        segment = max(1, min(sent.size, _MOST_SEGMENT_BYTES // sent.itemsize))
        lines = -(-segment * sent.itemsize // _LINE_BYTES)
        self._window = MPI.Win.Allocate_shared(_LINE_BYTES * (1 + 2 * lines), 1, comm=comm)
        regions = [np.asarray(self._window.Shared_query(rank)[0]) for rank in range(comm.size)]
        regions[comm.rank][:] = 0
        addresses = np.array([region.ctypes.data for region in regions])
        comm.Barrier()
        give_way = address_of(ctypes.CDLL(None).sched_yield)
        arguments = (sent, received, addresses, np.zeros(1, np.int64), comm.rank, segment, give_way)
        self.timed = TimedCalls(comm, _loop, arguments)

    def close(self) -> None:
        """Give the memory back."""
        self._window.Free()


@numba.njit(cache=True)
def _allreduce(arguments):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """A segment after the other; always returns 0.

    Two places take turns: who writes a segment has seen all others write the one before, so they have read the one
    before that. Parts are added in the order of the ranks, so that all have the same sum.
    """
    sent, received, addresses, state, rank, segment, give_way = arguments
    place_bytes = -(-segment * sent.itemsize // _LINE_BYTES) * _LINE_BYTES
    for start in range(0, sent.size, segment):
        own, total = sent[start : start + segment], received[start : start + segment]
        turn = state[0] + 1
        state[0] = turn
        offset = _LINE_BYTES + turn % 2 * place_bytes
        copy(own, array_at(addresses[rank] + offset, own))
        store_release(addresses[rank], turn)
        _await(addresses[0], turn, give_way)
        first = array_at(addresses[0] + offset, own)
        if addresses.size == 1:
            copy(first, total)
        for other in range(1, addresses.size):
            _await(addresses[other], turn, give_way)
            add(total, first if other == 1 else total, array_at(addresses[other] + offset, own))
    return np.int32(0)


@numba.njit(cache=True)
def _loop(arguments, timer, starts_ns, times_ns):  # type: ignore[no-untyped-def]  # noqa: ANN202
    for step in range(times_ns.shape[1]):
        failed, ready_ns, began_ns = begin(timer, starts_ns, step)
        if not failed:
            failed = _allreduce(arguments)
            end(timer, times_ns, step, ready_ns, began_ns)
        if failed:
            return failed
    return np.int32(0)


@numba.njit(cache=True)
def _await(flag, turn, give_way):  # type: ignore[no-untyped-def]  # noqa: ANN202
    looks = 0
    while load_acquire(flag) < turn:
        looks += 1
        if looks % _LOOKS == 0:
            call_address(give_way, ())
