"""The workloads of kernel ``sparse_allreduce``."""

from __future__ import annotations

from typing import Any

import numpy as np
from mpi4py import MPI

from kernels.communication.schedules import recursive_doubling
from kernels.communication.sparse import PAIR, add_to, is_dense, merge, merge_all
from kernels.communication.sparse_allreduce import SparseAllreduce, SparseAllreduceParameters

_PAIRS, _DENSE = 0, 1


class DenseAllreduce(SparseAllreduce):
    """What a user without sparse collectives does."""

    def __init__(self, parameters: SparseAllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._vector = np.empty(parameters.elements, np.float32)

    def add(self) -> np.ndarray:
        """Clear, scatter, sum."""
        self._vector[:] = 0
        add_to(self._vector, self.own)
        self.comm.Allreduce(MPI.IN_PLACE, self._vector)
        return self._vector


class DoublingAllreduce(SparseAllreduce):
    """SSAR_Recursive_double: partners exchange all they have, as pairs or dense, and the distance between them doubles.

    For few pairs and few ranks: the fewest messages.
    """

    def __init__(self, parameters: SparseAllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        # the whole vector counts as one element of the schedule
        self._schedule = recursive_doubling(range(comm.size), comm.rank, 1)
        # no message is longer than a dense vector, except what a dense rank has itself
        self._buffer = np.empty(max(parameters.elements, 2 * parameters.pairs), np.float32)

    def add(self) -> np.ndarray:
        """Follow the schedule of recursive doubling."""
        total = self.own
        for step in self._schedule:
            other = self._exchange(total, step.to, step.source)
            if step.received:
                total = self._join(total, other) if step.adds else other.copy()
        return total

    def _exchange(self, total: np.ndarray, to: int, source: int) -> np.ndarray:
        """What ``source`` has; it lies in a buffer that the next exchange overwrites."""
        status, kind = MPI.Status(), _PAIRS if total.dtype == PAIR else _DENSE
        message = total.view(np.uint8)
        self.comm.Sendrecv(message, _place(to), kind, self._buffer.view(np.uint8), _place(source), status=status)
        received = self._buffer.view(np.uint8)[: status.Get_count(MPI.BYTE)]
        return received.view(PAIR if status.Get_tag() == _PAIRS else np.float32)

    def _join(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The sum of two vectors, dense once that is shorter."""
        if left.dtype == right.dtype == PAIR:
            merged = merge(left, right)
            return self._densify(merged) if is_dense(len(merged), self.parameters.elements) else merged
        if left.dtype == right.dtype:
            return left + right
        dense, pairs = (left, right) if right.dtype == PAIR else (right.copy(), left)
        add_to(dense, pairs)
        return dense


def _place(rank: int) -> int:
    """Where a schedule's rank is, or nowhere."""
    return rank if rank >= 0 else MPI.PROC_NULL


class SplitAllreduce(SparseAllreduce):
    """SSAR_Split_allgather, or DSAR_Split_allgather where the sum is dense.

    Each rank sends every other the pairs of the indices that this one sums; then all gather the parts. For many pairs:
    the fewest bytes.
    """

    def __init__(self, parameters: SparseAllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._bounds = np.array([rank * parameters.elements // comm.size for rank in range(comm.size + 1)])

    def add(self) -> np.ndarray:
        """Split, merge, gather."""
        part = merge_all(self._split())
        counts = np.empty(self.comm.size, np.int64)
        self.comm.Allgather(np.array([len(part)]), counts)
        if is_dense(int(counts.sum()), self.parameters.elements):
            return self._gather(self._densify_part(part), np.diff(self._bounds))
        return self._gather(part, counts)

    def _split(self) -> list[np.ndarray]:
        """All ranks' pairs of this rank's indices, by rank."""
        ends = np.searchsorted(self.own["index"], self._bounds)
        sent = np.diff(ends)
        received = np.empty_like(sent)
        self.comm.Alltoall(sent, received)
        pairs = np.empty(received.sum(), PAIR)
        self.comm.Alltoallv([self.own.view(np.int64), sent], [pairs.view(np.int64), received])
        return np.split(pairs, np.cumsum(received)[:-1])

    def _gather(self, part: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The parts of all ranks, one after the other, as many elements of each as ``counts`` says."""
        whole = np.empty(counts.sum(), part.dtype)
        # MPI knows no pairs, but numbers of their width
        number = np.int64 if part.dtype == PAIR else np.float32
        self.comm.Allgatherv(part.view(number), [whole.view(number), counts])
        return whole

    def _densify_part(self, part: np.ndarray) -> np.ndarray:
        start, stop = self._bounds[self.comm.rank : self.comm.rank + 2]
        dense = np.zeros(stop - start, np.float32)
        dense[part["index"] - start] = part["value"]
        return dense
