"""Backend ``host`` of `calibrate`: CPUs, memory, links between ranks, files."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from time import perf_counter_ns
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
from kernels.data.records import data_folder

T = TypeVar("T")
# of the memory that is free on the node, taken by all ranks together
_MEMORY_SHARE = 0.25
# fixed work quanta of a round, each some tens of microseconds long
_QUANTA = 400
_QUANTUM_REPEATS = 60


class HostCalibrate(Calibrate):
    """Every rank times its share of what all use together; two ranks time the link between them."""

    def __init__(self, parameters: CalibrateParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        hosts = comm.allgather(socket.gethostname())
        self._is_first_of_node = hosts.index(hosts[comm.rank]) == comm.rank
        # the supervisor tells every threading library the same number
        threads = numba.get_num_threads()
        share = _MEMORY_SHARE * psutil.virtual_memory().available / hosts.count(hosts[comm.rank]) / threads
        self._memory = memory.MemoryProbe(threads, int(share))
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
        self.comm.Barrier()
        links = {place: link.measure() for place, link in self._links.items()}
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
        quanta = np.array(self._quanta_ns)
        noise = self.comm.allgather(100 * float(quanta.mean() / quanta.min() - 1))
        return [
            *(Figure(name=name, value=rate, unit="B/s", better="higher") for name, rate in loops.items()),
            Figure(name="timer_cost", value=min(self.comm.allgather(self._reading_s)), unit="s", better="lower"),
            Figure(name="noise", value=max(noise), unit="%", better="lower"),
        ]

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
