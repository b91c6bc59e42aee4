"""Allreduce by a schedule of messages, compiled: Numba calls MPI and adds, without Python in between.

A round's message goes in segments, of which two are on their way at a time: while one is added, the next arrives, and
what is added is still in the cache. The vector is never copied first: a round reads the input where nothing has been
added yet.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from kernels.communication.compiled_mpi import (
    STATUS_BYTES,
    TimedCalls,
    address_of,
    begin,
    bind,
    element_type,
    end,
    handle_type,
    handles,
)
from kernels.communication.intrinsics import call_address
from kernels.communication.schedules import Schedule
from kernels.communication.vectors import add, copy
from kernels.compiling import numba

# what becomes of a segment that was received
_STORE, _ADD_TO_INPUT, _ADD_TO_SUM = 0, 1, 2
_IN_FLIGHT = 2


def time_schedule(
    comm: Any, schedule: Schedule, sent: np.ndarray, received: np.ndarray, segment_bytes: int
) -> TimedCalls:
    """This rank's part of an allreduce of ``sent`` into ``received``, float32 or float64, [elements] both.

    Both must live as long as this. ``segment_bytes`` are the same on all ranks.
    """
    from mpi4py import MPI

    segment = max(1, min(segment_bytes // sent.itemsize, sent.size))
    requests = np.empty((_IN_FLIGHT, 2), np.dtype(handle_type()))
    scratch, statuses = np.empty((_IN_FLIGHT, segment), sent.dtype), np.empty(2 * STATUS_BYTES, np.uint8)
    arguments = (
        tuple(address_of(function) for function in _bind_functions()),
        lower(schedule),
        sent,
        received,
        scratch,
        requests,
        statuses,
        tuple(array.ctypes.data for array in (sent, received, scratch, requests, statuses)),
        *handles(element_type(sent), comm, MPI.REQUEST_NULL),
    )
    return TimedCalls(comm, _loop, arguments)


def _bind_functions() -> list[Any]:
    """What `_allreduce` calls."""
    handle, address, number = handle_type(), ctypes.c_size_t, ctypes.c_int
    message = (address, number, handle, number, number, handle, address)
    return [bind("MPI_Isend", *message), bind("MPI_Irecv", *message), bind("MPI_Waitall", number, address, address)]


def lower(schedule: Schedule) -> np.ndarray:
    """The rounds as int64 [rounds, 8]: to, first element and number sent, whether these are input; the same of source.

    The last of them says whether a segment is stored, added to the input, or to what was summed so far.
    """
    summed: list[range] = []

    def has_sum(part: range) -> bool:
        return any(part.start < other.stop and other.start < part.stop for other in summed)

    rows = []
    for step in schedule:
        way = _STORE if not step.adds else _ADD_TO_SUM if has_sum(step.received) else _ADD_TO_INPUT
        row = [step.to, step.sent.start, len(step.sent), not has_sum(step.sent)]
        rows.append([*row, step.source, step.received.start, len(step.received), way])
        summed.append(step.received)
    return np.array(rows, np.int64).reshape(-1, 8)


@numba.njit(cache=True)
def _allreduce(arguments):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Run a lowered schedule; returns MPI's first error code, or 0."""
    functions, rounds, sent, received, scratch, requests, _, addresses, datatype, comm, null = arguments
    start_send, start_receive, wait_all = functions
    at_sent, at_received, at_scratch, at_requests, at_statuses = addresses
    size, segment, slot_bytes, tag = sent.itemsize, scratch.shape[1], 2 * requests.itemsize, np.int32(0)
    if rounds.shape[0] == 0:
        copy(sent, received)
    for row in range(rounds.shape[0]):
        to, sent_first, sent_count, sends_input, source, first, count, way = rounds[row]
        outgoing = (at_sent if sends_input else at_received) + sent_first * size
        for start in range(0, max(sent_count, count) + segment, segment):
            slot = start // segment % _IN_FLIGHT
            at, failed = at_requests + slot * slot_bytes, np.int32(0)
            requests[slot] = null
            if start < count:
                length = np.int32(min(segment, count - start))
                incoming = at_received + (first + start) * size
                if way == _ADD_TO_SUM:
                    incoming = at_scratch + slot * segment * size
                failed |= call_address(start_receive, (incoming, length, datatype, np.int32(source), tag, comm, at))
            if start < sent_count:
                length = np.int32(min(segment, sent_count - start))
                at += requests.itemsize
                failed |= call_address(
                    start_send, (outgoing + start * size, length, datatype, np.int32(to), tag, comm, at)
                )
            if start > 0:
                slot = (slot + 1) % _IN_FLIGHT
                failed |= call_address(wait_all, (np.int32(2), at_requests + slot * slot_bytes, at_statuses))
                begin, end = start - segment, min(start, count)
                total = received[first + begin : first + end]
                if way == _ADD_TO_INPUT:
                    # what came lies where the sum is to be
                    add(total, total, sent[first + begin : first + end])
                elif way == _ADD_TO_SUM:
                    add(total, total, scratch[slot])
            if failed:
                return failed
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
