"""Backend ``torch`` of ``circuit_sim`` with distribution=state: each state vector lies over all ranks."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import msgspec

from kernels.api import Work
from kernels.communication.process_group import local_device
from kernels.quantum.circuit_workload import CircuitSim, CircuitSimParameters
from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.circuits.precisions import PRECISIONS
from kernels.quantum.distributed.simulator import CHUNK_BYTES, DistributedSimulator


class DistributedCircuitSim(CircuitSim):
    """Ours: `distributed.simulator.DistributedSimulator`, all ranks together on one circuit after another."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.simulator = DistributedSimulator(self.circuit, comm, parameters.precision, local_device(comm, device))
        # compiles the loops, outside of the timed step
        self.simulator.expectations(self.angles[:1])

    def share(self, rank: int) -> range:
        """Every rank has its part of every circuit's state."""
        return range(self.parameters.batch)

    def simulate(self) -> Reals:
        """Every circuit's sweeps and exchanges, then one sum over the ranks."""
        return self.simulator.expectations(self.angles)

    def right_values(self, index: int) -> Reals:
        """The reference's, from one rank: it takes a whole state's memory."""
        return self.comm.bcast(super().right_values(index) if self.comm.rank == 0 else None)

    def work(self) -> Work:
        """What a whole state takes on one rank (`CircuitSim.work`), divided by the ranks, and what they send.

        The plan says which amplitudes a rank sends and in how many messages (see `distributed.plan`),
        the final sum over p ranks sends 2 (p - 1) / p of its message (Rabenseifner's algorithm).
        """
        ranks, whole = self.comm.size, super().work()
        amplitude_bytes = PRECISIONS[self.parameters.precision].amplitude_bytes
        distribution = self.simulator.distribution
        messages = self.parameters.batch * distribution.count_messages(CHUNK_BYTES // amplitude_bytes)
        exchanged = self.parameters.batch * distribution.sent_amplitudes() * amplitude_bytes
        return msgspec.structs.replace(
            whole,
            flops=whole.flops / ranks,
            memory_bytes=whole.memory_bytes / ranks,
            working_set_bytes=whole.working_set_bytes / ranks,
            sent_bytes=exchanged + 2 * (ranks - 1) / ranks * self.expectations.nbytes,
            messages=messages + 2 * ceil(log2(ranks)),
        )
