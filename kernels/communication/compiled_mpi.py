"""MPI from compiled loops: Numba calls the library that mpi4py has loaded, without Python in between.

No compiler and no headers are needed, and the ranks' processes stay those of one MPI library.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_MOST_ELEMENTS = 2**31 - 1


class TimedAllreduce:
    """MPI_Allreduce of ``sent`` into ``received``, float32 or float64 of one size, in a loop that times every call.

    The arrays must live as long as this. Raises OverflowError above 2^31 - 1 elements, MPI's classic count.
    """

    def __init__(self, comm: Any, sent: np.ndarray, received: np.ndarray) -> None:
        if sent.size > _MOST_ELEMENTS:
            raise OverflowError(f"{sent.size} elements; right would be at most {_MOST_ELEMENTS} in one MPI_Allreduce")
        from mpi4py import MPI

        self._loop = _compile_loop()
        datatype = {"float32": MPI.FLOAT, "float64": MPI.DOUBLE}[sent.dtype.name]
        handles = (MPI._handleof(each) for each in (datatype, MPI.SUM, comm))
        self._call = (sent.ctypes.data, received.ctypes.data, sent.size, *handles)
        self.run(1, None)

    def run(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
        """The times of ``count`` calls, as `kernels.api.Workload.time_steps` defines them.

        Raises mpi4py's ``MPI.Exception`` when MPI says that a call failed.
        """
        times_ns = np.empty((3, count), np.int64)
        failed = self._loop(*self._call, np.empty(0, np.int64) if starts_ns is None else starts_ns, times_ns)
        if failed:
            from mpi4py import MPI

            raise MPI.Exception(failed)
        return times_ns


def bind(name: str, *arguments: type, result: type = ctypes.c_int) -> Any:
    """The MPI function of that name in the library that mpi4py has loaded, for Python and for Numba to call.

    ``arguments`` are types of ctypes: `handle_type` for MPI's own objects, ``c_size_t`` for addresses.
    """
    from mpi4py import MPI

    # what the extension module is linked with is found through the module itself
    function = getattr(ctypes.CDLL(MPI.__file__), name)
    function.argtypes, function.restype = arguments, result
    return function


def handle_type() -> type:
    """What an MPI object is passed as: an int in MPICH and its kin, a pointer in Open MPI and the MPI 5 ABI."""
    from mpi4py import MPI

    types: dict[int, type] = {4: ctypes.c_int, 8: ctypes.c_size_t}
    return types[MPI._sizeof(MPI.Comm)]


@functools.cache
def _compile_loop() -> Callable[..., int]:
    """The loop of `TimedAllreduce`; it returns MPI's first error code, or 0. Compiled once a process."""
    import numba

    handle, address = handle_type(), ctypes.c_size_t
    allreduce = bind("MPI_Allreduce", address, address, ctypes.c_int, handle, handle, handle)
    barrier = bind("MPI_Barrier", handle)
    read_clock = ctypes.CDLL(None).clock_gettime
    read_clock.argtypes, read_clock.restype = (ctypes.c_int, address), ctypes.c_int
    clock = time.CLOCK_MONOTONIC

    @numba.njit
    def now_ns(reading: np.ndarray) -> int:
        read_clock(clock, reading.ctypes.data)
        return reading[0] * 1_000_000_000 + reading[1]

    @numba.njit
    def loop(sent, received, count, datatype, operation, comm, starts_ns, times_ns):  # type: ignore[no-untyped-def]  # noqa: ANN202
        reading = np.empty(2, np.int64)
        for step in range(times_ns.shape[1]):
            ready_ns = now_ns(reading)
            began_ns = ready_ns
            if starts_ns.size:
                while began_ns < starts_ns[step]:
                    began_ns = now_ns(reading)
            else:
                failed = barrier(comm)
                if failed:
                    return failed
                began_ns = now_ns(reading)
            failed = allreduce(sent, received, count, datatype, operation, comm)
            times_ns[2, step] = now_ns(reading)
            times_ns[1, step] = began_ns
            times_ns[0, step] = ready_ns
            if failed:
                return failed
        return 0

    return loop
