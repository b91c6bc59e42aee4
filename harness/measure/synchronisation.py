"""How the ranks start a step together: after a barrier, or in windows that a common clock opens."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import Struct

from harness import case
from harness.measure.clock import now_ns
from harness.measure.global_clock import GlobalClock
from harness.store import record
from kernels.api import Workload

# windows are this many times as long as steps took in the warm-up, and the first of a series opens this many times as
# far ahead as ranks took to be ready for the last ones (ReproMPI's choice); and some more for the shortest
_ROOM = 3
_LEAST_ROOM_NS = 10_000
_LEADS = 100
# so many windows follow one another: a rank that is held up misses the rest of them, and no more
_SERIES = 20


class Chunk(Struct, frozen=True):
    """Steps that were timed together: one sample each, every rank's own time, and whether a rank began too late.

    Float64 seconds [steps], float64 seconds [steps, ranks], and bool [steps].
    """

    samples_s: np.ndarray
    rank_times_s: np.ndarray
    missed: np.ndarray


class Synchroniser(Protocol):
    """What starts the steps of a launch's runs. Every method is called on all ranks together."""

    name: case.Synchronisation

    def warm_up(self, workload: Workload) -> Chunk | None:
        """Time a few steps of a run that begins; the chunk on rank 0, None elsewhere."""

    def run(self, workload: Workload, count: int) -> Chunk | None:
        """Time ``count`` steps after the warm-up; the chunk on rank 0, None elsewhere."""

    def take_window(self) -> record.Window | None:
        """End a run; on rank 0 how its windows went, None elsewhere and where there are none."""


def make_synchroniser(name: case.Synchronisation, comm: Any) -> Synchroniser:
    """The synchroniser of that name on the ranks of ``comm``."""
    return Window(comm) if name == "window" else Barrier(comm)


class Barrier:
    """Every step starts after a barrier. A sample is the time of the slowest rank, on its own clock."""

    name: case.Synchronisation = "barrier"

    def __init__(self, comm: Any) -> None:
        self._comm = comm

    def warm_up(self, workload: Workload) -> Chunk | None:
        return self.run(workload, 1)

    def run(self, workload: Workload, count: int) -> Chunk | None:
        _, began_ns, ended_ns = _time_steps(workload, self._comm, count, None)
        gathered_ns = _gather(self._comm, ended_ns - began_ns)
        if gathered_ns is None:
            return None
        return _chunk_of_own_times(gathered_ns)

    def take_window(self) -> None:
        return None


class Window:
    """Every step starts when its window opens on rank 0's clock. A sample lasts from the first start to the last end.

    After SKaMPI (Worsch, Reussner, Augustin, EuroPVM/MPI 2002) and ReproMPI (Hunold and Carpen-Amarie, "Reproducible
    MPI Benchmarking Is Still Not as Easy as You Think", IEEE TPDS 27, 2016). A rank that was not ready when the window
    opened has missed it. That a step outlasts its window is no reason to drop it, which would cut off slow samples:
    it tells in the next step, which is late. Warm-up steps start after a barrier and tell how long windows have to be.
    """

    name: case.Synchronisation = "window"

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self._clock = GlobalClock(comm)
        self._forget()

    def warm_up(self, workload: Workload) -> Chunk | None:
        ready_ns, began_ns, ended_ns = _time_steps(workload, self._comm, 2, None)
        busy_ns = ended_ns[1] - ended_ns[0] - (began_ns[1] - ready_ns[1])
        gathered_ns = _gather(self._comm, np.array([*(ended_ns - began_ns), busy_ns]))
        if gathered_ns is None:
            return None
        self._busy_ns.append(gathered_ns[:, 2].max())
        return _chunk_of_own_times(gathered_ns[:, :2])

    def run(self, workload: Workload, count: int) -> Chunk | None:
        self._clock.refresh()
        chunks = [self._run_series(workload, min(_SERIES, count - done)) for done in range(0, count, _SERIES)]
        gathered = [chunk for chunk in chunks if chunk is not None]
        return join(gathered) if gathered else None

    def _run_series(self, workload: Workload, count: int) -> Chunk | None:
        """Steps whose windows follow one another without a pause."""
        told_ns, first_ns, length_ns = self._agree()
        starts_ns = first_ns + length_ns * np.arange(count)
        times_ns = _time_steps(workload, self._comm, count, self._clock.to_local(starts_ns))
        gathered_ns = _gather(self._comm, np.vstack([self._clock.to_global(times_ns), times_ns[2] - times_ns[1]]))
        if gathered_ns is None:
            return None
        ready_ns, began_ns, ended_ns, taken_ns = gathered_ns.transpose(1, 0, 2)
        self._lead_ns.append(ready_ns[:, 0].max() - told_ns)
        self._expired += int(np.sum(ended_ns.max(axis=0) > starts_ns + length_ns))
        return Chunk(
            (ended_ns.max(axis=0) - began_ns.min(axis=0)) / 1e9,
            taken_ns.T / 1e9,
            (ready_ns > starts_ns).any(axis=0),
        )

    def take_window(self) -> record.Window | None:
        clocks = self._comm.gather(self._clock.take_model())
        window = None
        if clocks is not None:
            window = record.Window(length_s=self._length_ns() * 1e-9, expired=self._expired, clocks=clocks)
        self._forget()
        return window

    def _agree(self) -> tuple[int, int, int]:
        """Rank 0's clock now and when the next window opens, and how long windows are: nanoseconds, told by rank 0."""
        now_ns = self._clock.now()
        lead_ns = _LEAST_ROOM_NS + int(_ROOM * np.median(self._lead_ns or [0]))
        return self._comm.bcast((now_ns, now_ns + lead_ns, self._length_ns()))

    def _length_ns(self) -> int:
        return _LEAST_ROOM_NS + int(_ROOM * np.median(self._busy_ns or [0]))

    def _forget(self) -> None:
        """Rank 0 learns in each run anew how long its steps, and what comes before the first of a series, take."""
        self._busy_ns: list[int] = []
        self._lead_ns: deque[int] = deque(maxlen=_LEADS)
        self._expired = 0


def join(chunks: Sequence[Chunk]) -> Chunk:
    """The steps of all chunks, of which there is one at least, in the order of execution."""
    return Chunk(*(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in Chunk.__struct_fields__))


def _chunk_of_own_times(taken_ns: np.ndarray) -> Chunk:
    """The chunk of steps that started after a barrier, from nanoseconds [ranks, steps]."""
    rank_times_s = taken_ns.T / 1e9
    return Chunk(rank_times_s.max(axis=1), rank_times_s, np.zeros(len(rank_times_s), dtype=bool))


def _time_steps(workload: Workload, comm: Any, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
    """What `Workload.time_steps` returns, taken in Python where the workload cannot."""
    compiled_ns = workload.time_steps(count, starts_ns)
    if compiled_ns is not None:
        return compiled_ns
    ready_ns, began_ns, ended_ns = (array("q", bytes(8 * count)) for _ in range(3))
    opens_ns = None if starts_ns is None else starts_ns.tolist()
    for index in range(count):
        workload.before_step()
        ready_ns[index] = start_ns = now_ns()
        if opens_ns is None:
            comm.Barrier()
            start_ns = now_ns()
        else:
            while start_ns < opens_ns[index]:
                start_ns = now_ns()
        workload.step()
        workload.synchronize()
        ended_ns[index] = now_ns()
        began_ns[index] = start_ns
    return np.array([ready_ns, began_ns, ended_ns])


def _gather(comm: Any, values: np.ndarray) -> np.ndarray | None:
    """Every rank's int64 values, [ranks, ...], on rank 0; None elsewhere."""
    gathered = np.empty((comm.size, *values.shape), dtype=np.int64) if comm.rank == 0 else None
    comm.Gather(np.ascontiguousarray(values), gathered)
    return gathered
