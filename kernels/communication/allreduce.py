"""Kernel ``allreduce``: the sum of one message over all ranks, left on every rank.

The sum is out of place in every backend: a step reads the rank's input and leaves the sum in a second buffer, so that
steps can follow one another without the values growing. MPI does so in one call and copies inside it. torch only
reduces in place, so its backends copy the input first, inside the timed step: all backends do the same work.
"""

from __future__ import annotations

import importlib.util
import math
from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from kernels.api import Backend, Check, Figure, InputError, Kernel, Parameters, Work, Workload, divide
from kernels.communication.process_group import cuda_missing
from kernels.declaring import cpu_only, imported

# elements that share a random stream: verify draws any part of any rank's input without drawing the rest
_BLOCK = 1 << 16


class AllreduceParameters(Parameters, frozen=True):
    """One message, of the same size on every rank."""

    message_bytes: Annotated[int, Meta(ge=1, description="bytes of the message on each rank")] = 1 << 20
    dtype: Annotated[Literal["float32", "float64"], Meta(description="type of the message's elements")] = "float32"
    seed: Annotated[int, Meta(ge=0, description="seed of the ranks' inputs")] = 0

    @property
    def elements(self) -> int:
        """Elements in the message."""
        return self.message_bytes // np.dtype(self.dtype).itemsize


def draw_block(parameters: AllreduceParameters, rank: int, block: int) -> np.ndarray:
    """One block of a rank's input, standard normal, of the parameters' dtype, at most 65536 elements long."""
    length = min(_BLOCK, parameters.elements - block * _BLOCK)
    generator = np.random.default_rng([parameters.seed, rank, block])
    return generator.standard_normal(length, np.dtype(parameters.dtype))


def optimal_traffic(message_bytes: float, ranks: int) -> tuple[float, int]:
    """What no allreduce can do with less of: bytes sent by a rank, and messages that follow one another.

    2(p-1)/p n bytes (Patarasu and Yuan, J. Parallel Distrib. Comput. 69, 2009, theorem 1) and ceil(log2 p) messages
    (Chan et al., Concurrency Computat. 19, 2007, section 4); no algorithm need reach both at once.
    """
    return 2 * (ranks - 1) / ranks * message_bytes, math.ceil(math.log2(ranks))


class Allreduce(Workload):
    """What the backends share: ``sent``, this rank's input, and ``received``, both NumPy arrays [elements].

    A backend defines `step`, which leaves the sum in ``received``, or overrides `answer`.
    """

    parameters: AllreduceParameters

    def __init__(self, parameters: AllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        blocks = range(_count_blocks(parameters))
        self.sent = np.concatenate([draw_block(parameters, comm.rank, block) for block in blocks])
        self.received = np.empty_like(self.sent)

    @abstractmethod
    def step(self) -> None:
        """Leave the sum of ``sent`` over the ranks on every rank."""

    def answer(self) -> np.ndarray:
        """The sum that the last step left on this rank, [elements]."""
        return self.received

    def additions_deep(self) -> int:
        """In how many additions an input takes part at most: p-1, whatever the order."""
        return self.comm.size - 1

    def verify(self) -> Check:
        """The largest |error| / sum |x| of any element on any rank, against a sum in extended precision.

        Every rank draws all ranks' inputs of some blocks anew, sums them and tells the others, so that the check
        takes no longer on many ranks than on few. The tolerance is the bound of a sum in which no input takes part in
        more than h additions (`additions_deep`): γ_h sum |x|, γ_h = h u / (1 - h u) (Higham, Accuracy and Stability of
        Numerical Algorithms, 2nd ed., section 4.2, after eq. 4.3), to which the reference adds its own; on one rank it
        is zero, for the answer is a copy.
        """
        answer = self.answer()
        ranks = self.comm.size
        errors = []
        for owner in range(ranks):
            for block in divide(_count_blocks(self.parameters), ranks, owner):
                part = answer[block * _BLOCK : (block + 1) * _BLOCK]
                total, magnitude = self._reference(block, owner, len(part))
                distance = np.abs(part - total)
                # where every input is zero the sum has to be exact
                errors.append(np.max(np.divide(distance, magnitude, where=magnitude > 0, out=distance)))
        units = np.array([np.finfo(answer.dtype).eps, np.finfo(np.longdouble).eps]) / 2
        roundings = float(units @ [self.additions_deep(), ranks - 1])
        return Check(
            error=float(np.max(self.comm.allgather(np.max(errors)))),
            tolerance=roundings / (1 - roundings),
            reference=f"sum of the inputs, drawn anew, with {np.finfo(np.longdouble).nmant + 1} significant bits",
        )

    def work(self) -> Work:
        """What no algorithm can do with less of, whatever the backend, so that backends share one bound.

        See `optimal_traffic`.

        (p-1)/p additions an element, each element read once and written once. On one rank it is a copy.
        """
        sent_bytes, messages = optimal_traffic(self.parameters.message_bytes, self.comm.size)
        return Work(
            items=self.parameters.message_bytes,
            item="byte",
            flops=(self.comm.size - 1) / self.comm.size * self.parameters.elements,
            dtype=self.parameters.dtype,
            memory_bytes=2 * self.parameters.message_bytes,
            working_set_bytes=2 * self.parameters.message_bytes,
            sent_bytes=sent_bytes,
            messages=messages,
        )

    def figures(self, step_s: float) -> list[Figure]:
        """Bus bandwidth 2(p-1)/p n/t, algorithm bandwidth n/t and latency t, as nccl-tests define them."""
        sent_bytes, _ = optimal_traffic(self.parameters.message_bytes, self.comm.size)
        return [
            Figure(name="bus_bandwidth", value=sent_bytes / step_s, unit="B/s", better="higher"),
            Figure(
                name="algorithm_bandwidth",
                value=self.parameters.message_bytes / step_s,
                unit="B/s",
                better="higher",
            ),
            Figure(name="latency_s", value=step_s, unit="s", better="lower"),
        ]

    def _reference(self, block: int, owner: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The block's sum over the ranks and its sum of magnitudes, longdouble, computed on ``owner``."""
        reference = np.zeros((2, length), np.longdouble)
        if self.comm.rank == owner:
            for rank in range(self.comm.size):
                values = draw_block(self.parameters, rank, block)
                reference += values, np.abs(values)
        self.comm.Bcast(reference, owner)
        return reference[0], reference[1]


host_missing = cpu_only("sums in the CPU's memory")


def _ours(algorithm: str, summary: str) -> Backend:
    return Backend(
        f"ours: {summary}", imported("kernels.communication.allreduce_compiled:OwnAllreduce", algorithm), host_missing
    )


def nccl_missing(device: str) -> str | None:
    """Why what sums in GPU memory cannot run here on this device, or None."""
    return cuda_missing() or ("sums in GPU memory; ask for --device cuda" if device == "cpu" else None)


def horovod_missing(device: str) -> str | None:
    """Why Horovod cannot run here on this device, or None."""
    if importlib.util.find_spec("horovod") is None:
        return "needs horovod, built against this torch: nox -s horovod"
    return host_missing(device)


def _count_blocks(parameters: AllreduceParameters) -> int:
    return math.ceil(parameters.elements / _BLOCK)


def _check_whole_elements(parameters: AllreduceParameters, ranks: int) -> None:
    itemsize = np.dtype(parameters.dtype).itemsize
    if parameters.message_bytes % itemsize:
        nearest = math.ceil(parameters.message_bytes / itemsize) * itemsize
        raise InputError(
            f"kernel allreduce: parameter message_bytes: {parameters.message_bytes} is no multiple of "
            f"{parameters.dtype}'s {itemsize} bytes; right would be {nearest}"
        )


KERNEL = Kernel(
    name="allreduce",
    version=1,
    summary="the sum of a message over all ranks, left on every rank",
    parameters=AllreduceParameters,
    backends={
        "mpi4py": Backend(
            "MPI_Allreduce on NumPy buffers",
            imported("kernels.communication.allreduce_peers:Mpi4pyAllreduce"),
            host_missing,
        ),
        "mpi": Backend(
            "MPI_Allreduce in a compiled loop, as a C program calls it",
            imported("kernels.communication.allreduce_compiled:MpiAllreduce"),
            host_missing,
        ),
        "ring": _ours("ring", "parts passed round a ring, the fewest bytes"),
        "recursive-doubling": _ours("recursive-doubling", "whole messages between partners, the fewest messages"),
        "rabenseifner": _ours("rabenseifner", "recursive halving, then doubling"),
        "hierarchical": _ours("hierarchical", "within nodes, between nodes, within nodes"),
        "shared-memory": _ours("shared-memory", "written and read by the ranks of one node, without messages"),
        "tuned": Backend(
            "ours: the fastest of these for the message, tried beforehand",
            imported("kernels.communication.allreduce_compiled:TunedAllreduce"),
            host_missing,
        ),
        "gloo": Backend(
            "torch.distributed over Gloo, on the CPU",
            imported("kernels.communication.allreduce_peers:GlooAllreduce"),
            host_missing,
        ),
        "nccl": Backend(
            "torch.distributed over NCCL, between GPUs",
            imported("kernels.communication.allreduce_peers:NcclAllreduce"),
            nccl_missing,
        ),
        "horovod": Backend(
            "Horovod over MPI, on the CPU",
            imported("kernels.communication.allreduce_peers:HorovodAllreduce"),
            horovod_missing,
            threads_call_mpi=True,
        ),
    },
    reference="mpi4py",
    scaling="every rank has a message of message_bytes, in strong and in weak scaling",
    check=_check_whole_elements,
)
