"""Backend ``host`` of `calibrate`: CPUs, memory, links between ranks, files."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Sequence
from time import perf_counter_ns, sleep
from typing import Any, TypeVar

import numba
import numpy as np
import psutil
import torch

from kernels.api import Figure
from kernels.calibration import memory
from kernels.calibration.arithmetic import DTYPES, MatrixProbe
from kernels.calibration.calibrate import Calibrate, CalibrateParameters
from kernels.calibration.limits import Rates
from kernels.calibration.links import LinkProbe
from kernels.calibration.storage import StorageProbe
from kernels.data.files import data_folder

T = TypeVar("T")
# of the memory that is free on the node, taken by all ranks together
_MEMORY_SHARE = 0.25
# the largest working set of a thread whose core others use too
_CROWDED_BYTES = 1 << 26
# between two looks of a rank that waits, so that it does not take the time of those that work
_NAP_S = 1e-3
# fixed work quanta of a round, each some tens of microseconds long
_QUANTA = 400
_QUANTUM_REPEATS = 60
# above it somebody else was at work
_MOST_NOISE = 0.2


class HostCalibrate(Calibrate):
    """Every rank times its share of what all use together; two ranks time the link between them."""

    def __init__(self, parameters: CalibrateParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        hosts = comm.allgather(socket.gethostname())
        # the supervisor tells every threading library the same number
        threads = numba.get_num_threads()
        self._crowding = describe_crowding(hosts, comm.allgather(os.sched_getaffinity(0)), threads)
        self._is_first_of_node = hosts.index(hosts[comm.rank]) == comm.rank
        share = _MEMORY_SHARE * psutil.virtual_memory().available / hosts.count(hosts[comm.rank]) / threads
        self._memory = memory.MemoryProbe(threads, int(min(share, _CROWDED_BYTES) if self._crowding else share))
        self._matrices = MatrixProbe(torch.device("cpu"), lambda: None, parameters.seed)
        self._files = StorageProbe(data_folder(), parameters.seed + comm.rank)
        self._links = _open_links(comm, hosts)
        self._loops: dict[str, float] = {}
        self._quanta_ns: list[int] = []
        self._reading_s = np.inf
        self._quantum = np.ones(memory.SIZES_BYTES[0] // 8)
        memory.update(self._quantum, 1)

    def measure(self) -> Rates:
        """One rank of a node alone, then the link between two, then all together."""
        if self._is_first_of_node:
            self._tell_loops("core", self._memory.rates(self._memory.sizes_bytes[-1], 1))
        self._wait()
        links = {place: link.measure() for place, link in self._links.items()}
        self._wait()
        self._together(self._time_quanta)
        bandwidth = {}
        for size_bytes in self._memory.sizes_bytes:
            self.comm.Barrier()
            rates = self._memory.rates(size_bytes, self._memory.threads)
            bandwidth[size_bytes * self._memory.threads] = max(rates.values())
        self._tell_loops("rank", rates)
        arithmetic = {}
        for dtype in DTYPES:
            self.comm.Barrier()
            arithmetic[dtype] = self._matrices.rate(dtype)
        return Rates(
            bandwidth=bandwidth,
            arithmetic=arithmetic,
            page_cache=self._together(self._files.page_cache),
            disk=self._together(self._files.disk),
            **links,
        )

    def told(self) -> list[Figure]:
        """STREAM's copy and triad of one core alone and of a rank among all, the timer and the noise."""
        loops: dict[str, float] = {}
        for found in self.comm.allgather(self._loops):
            loops |= {name: max(rate, loops.get(name, 0.0)) for name, rate in found.items()}
        return [
            *(Figure(name=name, value=rate, unit="B/s", better="higher") for name, rate in loops.items()),
            Figure(name="timer_cost", value=min(self.comm.allgather(self._reading_s)), unit="s", better="lower"),
            Figure(name="noise", value=100 * self._noise(), unit="%", better="lower"),
        ]

    def remark(self) -> str:
        """Shared cores, which make noise of themselves; else noise, if there is much of it."""
        noise = self._noise()
        if self._crowding or noise <= _MOST_NOISE:
            return self._crowding
        return f"the machine was busy: work took {100 * noise:.0f} % longer on average than at best"

    def errors(self) -> list[float]:
        """Of the products and of the bytes that went over links and into files; infinite where bytes differ."""
        intact = [link.arrives_whole() for link in self._links.values()]
        return [
            *(self._matrices.error(dtype) for dtype in DTYPES),
            0.0 if all(intact) and self._files.reads_back() else np.inf,
        ]

    def close(self) -> None:
        """Give back memory, threads and the file."""
        self._memory.close()
        self._files.close()
        for link in self._links.values():
            link.close()

    def _noise(self) -> float:
        """How much longer a work quantum takes on average than the quickest, on the worst rank."""
        quanta = np.array(self._quanta_ns)
        return max(self.comm.allgather(float(quanta.mean() / quanta.min() - 1)))

    def _wait(self) -> None:
        """For all ranks, asleep: a rank in MPI's own barrier would keep a core busy."""
        others = self.comm.Ibarrier()
        while not others.Test():
            sleep(_NAP_S)

    def _together(self, work: Callable[[], T]) -> T:
        """What ``work`` finds while all ranks do the same."""
        self.comm.Barrier()
        return work()

    def _tell_loops(self, whose: str, rates: dict[str, float]) -> None:
        """STREAM's two of the loops, in the largest working set."""
        for loop in ("copy", "triad"):
            self._loops[f"{whose}_{loop}"] = max(rates[loop], self._loops.get(f"{whose}_{loop}", 0.0))

    def _time_quanta(self) -> None:
        """Fixed work quanta (Sottile and Minnich, CLUSTER 2004): what some take longer is what disturbs them.

        The same readings, without work between them, tell what a reading of the clock costs.
        """
        times_ns = []
        for _ in range(_QUANTA):
            times_ns.append(perf_counter_ns())
            memory.update(self._quantum, _QUANTUM_REPEATS)
        times_ns.append(perf_counter_ns())
        self._quanta_ns += [end - start for start, end in itertools.pairwise(times_ns)]
        start_ns = perf_counter_ns()
        for _ in range(_QUANTA):
            perf_counter_ns()
        self._reading_s = min(self._reading_s, (perf_counter_ns() - start_ns) / (_QUANTA + 1) * 1e-9)


def describe_crowding(hosts: Sequence[str], cores: Sequence[set[int]], threads: int) -> str:
    """A phrase on the first host whose ranks have fewer cores than threads; empty when there is none.

    ``hosts`` and ``cores`` (those it may run on) of every rank; a batch system's pretend nodes are one host.
    """
    for host in dict.fromkeys(hosts):
        ranks = [rank for rank, other in enumerate(hosts) if other == host]
        allowed = set().union(*(cores[rank] for rank in ranks))
        if len(ranks) * threads > len(allowed):
            return (
                f"oversubscribed: {len(ranks)} ranks x {threads} threads shared {len(allowed)} cores, "
                "so a rate lies between that of a whole core and that of a rank's share"
            )
    return ""


def _open_links(comm: Any, hosts: list[str]) -> dict[str, LinkProbe]:
    """The links that this rank is an end of: from rank 0 to the first other rank on its node and on another."""
    found = {}
    for place, is_within in (("within_node", True), ("between_nodes", False)):
        peers = [rank for rank in range(1, len(hosts)) if (hosts[rank] == hosts[0]) == is_within]
        if not peers:
            continue
        is_end = comm.rank in (0, peers[0])
        pair = comm.Split(int(is_end), comm.rank)
        if is_end:
            found[place] = LinkProbe(pair)
        else:
            pair.Free()
    return found
