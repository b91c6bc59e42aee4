"""Allreduce called and timed by compiled code: MPI's own, and ours on point-to-point messages."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernels.api import Figure, InputError
from kernels.communication.allreduce import Allreduce, AllreduceParameters
from kernels.communication.compiled_mpi import TimedCalls, time_allreduce
from kernels.communication.point_to_point import time_schedule
from kernels.communication.schedules import (
    Cost,
    Schedule,
    hierarchical,
    near_square,
    rabenseifner,
    recursive_doubling,
    ring,
)
from kernels.communication.shared_memory import SharedAllreduce

SHARED_MEMORY = "shared-memory"
_SEGMENT_BYTES = 1 << 20
# what `tuned` tries, and for how long at first
_SEGMENTS_BYTES = (1 << 20, 1 << 30)
_TRIAL_NS = 2_000_000
_FEWEST_STEPS, _MOST_STEPS = 3, 200


class CompiledAllreduce(Allreduce):
    """What the backends here share: ``timed``, the calls in compiled code."""

    timed: TimedCalls

    def step(self) -> None:
        """One call, at once."""
        self.time_steps(1, np.zeros(1, np.int64))

    def time_steps(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray:
        """``count`` calls without Python in between."""
        return self.timed.run(count, starts_ns)


class MpiAllreduce(CompiledAllreduce):
    """MPI_Allreduce: what a C program gets."""

    def __init__(self, parameters: AllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.timed = time_allreduce(comm, self.sent, self.received)


class OwnAllreduce(CompiledAllreduce):
    """An algorithm of `kernels.communication.schedules`, or the memory that the ranks of a node share."""

    def __init__(self, parameters: AllreduceParameters, comm: Any, device: str, algorithm: str) -> None:
        super().__init__(parameters, comm, device)
        self._algorithms = _algorithms(comm, self.sent.size)
        self._shared: SharedAllreduce | None = None
        if algorithm == SHARED_MEMORY and not is_one_node(comm):
            raise InputError(f"kernel allreduce: {SHARED_MEMORY}: the ranks are on several nodes; right would be one")
        self._use(algorithm, _SEGMENT_BYTES)

    def _use(self, algorithm: str, segment_bytes: int) -> None:
        """Sum in this way from now on."""
        self.close()
        self._algorithm = algorithm
        if algorithm == SHARED_MEMORY:
            self._shared = SharedAllreduce(self.comm, self.sent, self.received)
            self.timed = self._shared.timed
        else:
            schedule = self._algorithms[algorithm](self.comm.rank)
            self.timed = time_schedule(self.comm, schedule, self.sent, self.received, segment_bytes)

    @functools.cached_property
    def cost(self) -> Cost:
        """What the algorithm costs; in shared memory all read at once what each rank writes once."""
        ranks, elements = self.comm.size, self.sent.size
        if self._algorithm == SHARED_MEMORY:
            return Cost(messages=min(1, ranks - 1), sent=elements, added=(ranks - 1) * elements, depth=ranks - 1)
        return count_together(self._algorithms[self._algorithm](self.comm.rank), self.comm)

    def additions_deep(self) -> int:
        """As the algorithm has it."""
        return self.cost.depth

    def close(self) -> None:
        """Give shared memory back."""
        if self._shared:
            self._shared.close()
            self._shared = None

    def figures(self, step_s: float) -> list[Figure]:
        """Also what the algorithm itself costs, beside the least that `work` counts."""
        return [
            *super().figures(step_s),
            Figure(name="messages", value=self.cost.messages, better="lower"),
            Figure(name="sent_bytes", value=self.cost.sent * self.sent.itemsize, unit="B", better="lower"),
            Figure(name="additions", value=self.cost.added, better="lower"),
        ]


class TunedAllreduce(OwnAllreduce):
    """The algorithm and segment that are the fastest here for this message.

    They are tried before anything is measured, as automatically tuned collectives do (Vadhiyar, Fagg and Dongarra, SC
    2000): models of α, β and γ know neither caches nor what an MPI library does for messages of some size. All are
    tried in turn; the quicker half is tried again, each for twice as long, until one is left (successive halving,
    Jamieson and Talwalkar, AISTATS 2016).
    """

    def __init__(self, parameters: AllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device, "ring")
        ways = [
            (algorithm, segment_bytes)
            for algorithm in self._algorithms
            for index, segment_bytes in enumerate(_SEGMENTS_BYTES)
            # longer segments than the message are all the same
            if index == 0 or _SEGMENTS_BYTES[index - 1] < parameters.message_bytes
        ]
        if is_one_node(comm):
            ways.append((SHARED_MEMORY, 0))
        longer = 1
        while len(ways) > 1:
            times_ns = {way: self._try(*way, longer) for way in ways}
            ways = sorted(ways, key=times_ns.__getitem__)[: (len(ways) + 1) // 2]
            longer *= 2
        self._way = ways[0]
        self._use(*self._way)

    def _try(self, algorithm: str, segment_bytes: int, longer: int) -> float:
        """Nanoseconds of the slowest rank, the median over several steps; the same number on all ranks."""
        self._use(algorithm, segment_bytes)
        from mpi4py import MPI

        first_ns = self.comm.allreduce(int(np.ptp(self.timed.run(1, None))))
        steps = longer * int(np.clip(_TRIAL_NS * self.comm.size // first_ns, _FEWEST_STEPS, _MOST_STEPS))
        _, began_ns, ended_ns = self.timed.run(steps, None)
        slowest_ns = np.empty(steps, np.int64)
        self.comm.Allreduce(ended_ns - began_ns, slowest_ns, MPI.MAX)
        return float(np.median(slowest_ns))

    def figures(self, step_s: float) -> list[Figure]:
        """What was chosen, and then as for any."""
        algorithm, segment_bytes = self._way
        segment = Figure(name="segment", value=min(segment_bytes, self.parameters.message_bytes), unit="B")
        chosen = [Figure(name="algorithm", value=algorithm), *([segment] if segment_bytes else [])]
        return [*chosen, *super().figures(step_s)]


def _algorithms(comm: Any, elements: int) -> dict[str, Callable[[int], Schedule]]:
    """A rank's schedule, by the algorithm's name."""
    everyone, groups = range(comm.size), _groups(comm)
    return {
        "ring": lambda rank: ring(everyone, rank, elements),
        "recursive-doubling": lambda rank: recursive_doubling(everyone, rank, elements),
        "rabenseifner": lambda rank: rabenseifner(everyone, rank, elements),
        "hierarchical": lambda rank: hierarchical(groups, rank, elements),
    }


def count_together(schedule: Schedule, comm: Any) -> Cost:
    """What `schedules.count` counts, each rank along its own ``schedule``: clocks and depths go the messages' ways."""
    from mpi4py import MPI

    clock = depth = 0
    for step in schedule:
        request = MPI.REQUEST_NULL
        if step.sent:
            clock += 1
            request = comm.isend((clock, depth), step.to)
        if step.received:
            came, behind = comm.recv(source=step.source)
            clock, depth = max(clock, came), max(depth, behind) + step.adds
        request.wait()
    sent = sum(len(step.sent) for step in schedule)
    added = sum(len(step.received) for step in schedule if step.adds)
    messages, sent, added, depth = np.max(comm.allgather((clock, sent, added, depth)), axis=0).tolist()
    return Cost(messages=messages, sent=sent, added=added, depth=depth)


def is_one_node(comm: Any) -> bool:
    """Whether all ranks can share memory."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    size = node.size
    node.Free()
    return bool(comm.allreduce(size, MPI.MIN) == comm.size)


def _groups(comm: Any) -> Sequence[Sequence[int]]:
    """The ranks of each node; where all are on one, groups that stand for nodes, so that both levels are measured."""
    nodes: dict[str, list[int]] = {}
    for rank, host in enumerate(comm.allgather(os.environ.get("SLURMD_NODENAME") or socket.gethostname())):
        nodes.setdefault(host, []).append(rank)
    return list(nodes.values()) if len(nodes) > 1 else near_square(comm.size)
