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

# more than any library's MPI_Status
STATUS_BYTES = 256
_MOST_ELEMENTS = 2**31 - 1


class TimedCalls:
    """``call(arguments)``, compiled by Numba, in a loop that times every call; it returns MPI's error code.

    Making one compiles the loop and calls once, on all ranks of ``comm`` together.
    """

    def __init__(self, comm: Any, call: Callable[[Any], int], arguments: tuple[Any, ...]) -> None:
        from mpi4py import MPI

        self._loop = _compile_loop(call)
        self._arguments = arguments, MPI._handleof(comm)
        self.run(1, None)

    def run(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
        """The times of ``count`` calls, as `kernels.api.Workload.time_steps` defines them.

        Raises mpi4py's ``MPI.Exception`` when MPI says that a call failed.
        """
        times_ns = np.empty((3, count), np.int64)
        failed = self._loop(*self._arguments, np.empty(0, np.int64) if starts_ns is None else starts_ns, times_ns)
        if failed:
            from mpi4py import MPI

            raise MPI.Exception(failed)
        return times_ns


def time_allreduce(comm: Any, sent: np.ndarray, received: np.ndarray) -> TimedCalls:
    """MPI_Allreduce of ``sent`` into ``received``, float32 or float64 of one size, which must live as long as this.

    Raises OverflowError above 2^31 - 1 elements, MPI's classic count.
    """
    if sent.size > _MOST_ELEMENTS:
        raise OverflowError(f"{sent.size} elements; right would be at most {_MOST_ELEMENTS} in one MPI_Allreduce")
    from mpi4py import MPI

    handles = (MPI._handleof(each) for each in (element_type(sent), MPI.SUM, comm))
    return TimedCalls(comm, _compile_allreduce(), (sent.ctypes.data, received.ctypes.data, sent.size, *handles))


def element_type(values: np.ndarray) -> Any:
    """MPI's name for the elements of a float32 or float64 array."""
    from mpi4py import MPI

    return {"float32": MPI.FLOAT, "float64": MPI.DOUBLE}[values.dtype.name]


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
def _compile_allreduce() -> Callable[[Any], int]:
    import numba

    handle, address = handle_type(), ctypes.c_size_t
    allreduce = bind("MPI_Allreduce", address, address, ctypes.c_int, handle, handle, handle)

    @numba.njit
    def call(arguments):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return allreduce(*arguments)

    return call


@functools.cache
def _compile_loop(call: Callable[[Any], int]) -> Callable[..., int]:
    """The loop of `TimedCalls`; it returns the first error code, or 0. Compiled once a process."""
    import numba

    barrier = bind("MPI_Barrier", handle_type())
    read_clock = ctypes.CDLL(None).clock_gettime
    read_clock.argtypes, read_clock.restype = (ctypes.c_int, ctypes.c_size_t), ctypes.c_int
    clock = time.CLOCK_MONOTONIC

    @numba.njit
    def now_ns(reading: np.ndarray) -> int:
        read_clock(clock, reading.ctypes.data)
        return reading[0] * 1_000_000_000 + reading[1]

    @numba.njit
    def loop(arguments, comm, starts_ns, times_ns):  # type: ignore[no-untyped-def]  # noqa: ANN202
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
            failed = call(arguments)
            times_ns[2, step] = now_ns(reading)
            times_ns[1, step] = began_ns
            times_ns[0, step] = ready_ns
            if failed:
                return failed
        return 0

    return loop
