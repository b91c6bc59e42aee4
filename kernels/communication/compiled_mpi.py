"""MPI from compiled loops: Numba calls the library that mpi4py has loaded, without Python in between.

No compiler and no headers are needed, and the ranks' processes stay those of one MPI library.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.communication.intrinsics import call_address
from kernels.compiling import numba

# more than any library's MPI_Status
STATUS_BYTES = 256
_MOST_ELEMENTS = 2**31 - 1
_CLOCK = time.CLOCK_MONOTONIC


class TimedCalls:
    """A compiled ``loop(arguments, timer, starts_ns, times_ns)`` that times every call; it returns MPI's error code.

    Loops are functions of modules, which Numba keeps on disk; what they time lies between `begin` and `end`. Making one
    calls once, on all ranks of ``comm`` together.
    """

    def __init__(self, comm: Any, loop: Callable[..., int], arguments: tuple[Any, ...]) -> None:
        from mpi4py import MPI

        reading = np.empty(2, np.int64)
        barrier, clock = address_of(bind("MPI_Barrier", handle_type())), address_of(ctypes.CDLL(None).clock_gettime)
        self._loop, self._arguments = loop, arguments
        self._timer = barrier, handles(comm)[0], clock, reading, reading.ctypes.data
        self._exception = MPI.Exception
        self.run(1, None)

    def run(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
        """The times of ``count`` calls, as `kernels.api.Workload.time_steps` defines them.

        Raises mpi4py's ``MPI.Exception`` when MPI says that a call failed.
        """
        times_ns = np.empty((3, count), np.int64)
        starts_ns = np.empty(0, np.int64) if starts_ns is None else starts_ns
        if failed := self._loop(self._arguments, self._timer, starts_ns, times_ns):
            raise self._exception(failed)
        return times_ns


@numba.njit(cache=True)
def begin(timer, starts_ns, step):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Wait for the barrier or the start of a step; MPI's error code, and when this rank was ready and began."""
    barrier, comm, _, _, _ = timer
    ready_ns = _now_ns(timer)
    began_ns, failed = ready_ns, np.int32(0)
    if starts_ns.size:
        while began_ns < starts_ns[step]:
            began_ns = _now_ns(timer)
    else:
        failed = call_address(barrier, (comm,))
        began_ns = _now_ns(timer)
    return failed, ready_ns, began_ns


@numba.njit(cache=True)
def end(timer, times_ns, step, ready_ns, began_ns):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Read the clock, and only then write to memory that may be new."""
    times_ns[2, step] = _now_ns(timer)
    times_ns[1, step] = began_ns
    times_ns[0, step] = ready_ns


@numba.njit(cache=True)
def _now_ns(timer):  # type: ignore[no-untyped-def]  # noqa: ANN202
    _, _, clock, reading, at_reading = timer
    call_address(clock, (np.int32(_CLOCK), at_reading))
    return reading[0] * 1_000_000_000 + reading[1]


def time_allreduce(comm: Any, sent: np.ndarray, received: np.ndarray) -> TimedCalls:
    """MPI_Allreduce of ``sent`` into ``received``, float32 or float64 of one size, which must live as long as this.

    Raises OverflowError above 2^31 - 1 elements, MPI's classic count.
    """
    if sent.size > _MOST_ELEMENTS:
        raise OverflowError(f"{sent.size} elements; right would be at most {_MOST_ELEMENTS} in one MPI_Allreduce")
    from mpi4py import MPI

    handle, address = handle_type(), ctypes.c_size_t
    allreduce = bind("MPI_Allreduce", address, address, ctypes.c_int, handle, handle, handle)
    message = (sent.ctypes.data, received.ctypes.data, np.int32(sent.size))
    return TimedCalls(comm, _loop, (address_of(allreduce), (*message, *handles(element_type(sent), MPI.SUM, comm))))


@numba.njit(cache=True)
def _loop(arguments, timer, starts_ns, times_ns):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """A function and what it is called with."""
    function, message = arguments
    for step in range(times_ns.shape[1]):
        failed, ready_ns, began_ns = begin(timer, starts_ns, step)
        if not failed:
            failed = call_address(function, message)
            end(timer, times_ns, step, ready_ns, began_ns)
        if failed:
            return failed
    return np.int32(0)


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


def handles(*objects: Any) -> list[Any]:
    """MPI objects as the C library takes them, of the width that it expects and, as an int of C's, perhaps negative."""
    from mpi4py import MPI

    kind = handle_type()
    return [np.dtype(kind).type(kind(MPI._handleof(each)).value) for each in objects]


def address_of(function: Any) -> int:
    """Where a function of ctypes is: compiled in, as Numba would have it, it could not be kept on disk."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0
