"""Kernel ``sparse_allreduce``: the sum over all ranks of vectors that are mostly zero, left on every rank.

A rank's vector is given as pairs of index and value, sorted by index; the sum is left as pairs or, where that is no
longer, as a dense vector. Both algorithms are SparCML's (Renggli et al., SC 2019).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from kernels.api import Backend, Check, Figure, Kernel, Parameters, Work, Workload
from kernels.communication.allreduce import host_missing, optimal_traffic
from kernels.declaring import imported

_INDEX_BYTES = _VALUE_BYTES = 4


class SparseAllreduceParameters(Parameters, frozen=True):
    """A vector of the same length and as many values other than zero on every rank."""

    elements: Annotated[int, Meta(ge=1, le=2**31 - 1, description="length of the vector on each rank")] = 1 << 20
    density: Annotated[float, Meta(gt=0, le=1, description="share of a rank's elements that are not zero")] = 0.01
    distribution: Annotated[
        Literal["uniform", "zipf"], Meta(description="how likely indices are: all alike, or as 1 / (1 + index)")
    ] = "uniform"
    overlap: Annotated[
        float, Meta(ge=0, le=1, description="share of a rank's indices that all ranks have; others meet by chance")
    ] = 0.0
    seed: Annotated[int, Meta(ge=0, description="seed of indices and values")] = 0

    @property
    def pairs(self) -> int:
        """Values other than zero on a rank."""
        return max(1, round(self.density * self.elements))


def draw_indices(parameters: SparseAllreduceParameters, rank: int) -> np.ndarray:
    """The rank's indices, int32 [pairs], sorted, without repetition.

    Indices are drawn one after the other, each in proportion to its weight among those that are left; the k largest of
    log w + Gumbel noise are such a draw (Efraimidis and Spirakis, Inf. Process. Lett. 97(5), 2006).
    """
    shared = round(parameters.overlap * parameters.pairs)
    indices = np.arange(parameters.elements, dtype=np.int32)
    logarithms = np.zeros(len(indices)) if parameters.distribution == "uniform" else -np.log1p(indices)

    def draw(count: int, *stream: int) -> np.ndarray:
        keys = logarithms + np.random.default_rng([parameters.seed, *stream]).gumbel(size=len(indices))
        return np.argpartition(-keys, count - 1)[:count] if count else indices[:0]

    common = draw(shared, 0)
    logarithms[common] = -np.inf
    return np.sort(np.concatenate([common, draw(parameters.pairs - shared, 1, rank)])).astype(np.int32)


class SparseAllreduce(Workload):
    """What the backends share: ``own``, the rank's PAIR [pairs].

    A backend defines `add`, which returns the sum over the ranks: pairs, or float32 [elements].
    """

    parameters: SparseAllreduceParameters

    def __init__(self, parameters: SparseAllreduceParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from kernels.communication.sparse import PAIR, add_to, merge

        self.own = np.empty(parameters.pairs, PAIR)
        self.own["index"] = draw_indices(parameters, comm.rank)
        self.own["value"] = np.random.default_rng([parameters.seed, 2, comm.rank]).standard_normal(
            parameters.pairs, np.float32
        )
        self.union = self._count_union()
        self.result = self.own
        # compiled here, or read from disk
        add_to(np.zeros(parameters.elements, np.float32), merge(self.own[:1], self.own[:1]))

    @abstractmethod
    def add(self) -> np.ndarray:
        """The sum of ``own`` over the ranks."""

    def step(self) -> None:
        """Sum."""
        self.result = self.add()

    def verify(self) -> Check:
        """The largest |error| / sum |x| of any element on any rank, against a dense sum in float64 of all ranks' pairs.

        An input takes part in at most p-1 additions, so that γ_(p-1) bounds it (Higham, Accuracy and Stability of
        Numerical Algorithms, 2nd ed., section 4.2); the reference adds its own.
        """
        total, magnitude = np.zeros((2, self.parameters.elements))
        for pairs in self.comm.allgather(self.own):
            total[pairs["index"]] += pairs["value"]
            magnitude[pairs["index"]] += np.abs(pairs["value"])
        distance = np.abs(self._densify(self.result) - total)
        error = np.max(np.divide(distance, magnitude, where=magnitude > 0, out=distance))
        roundings = (self.comm.size - 1) * (np.finfo(np.float32).eps + np.finfo(np.float64).eps) / 2
        return Check(
            error=float(np.max(self.comm.allgather(error))),
            tolerance=float(roundings / (1 - roundings)),
            reference="dense sum of all ranks' pairs in float64",
        )

    def work(self) -> Work:
        """What is left to do for any algorithm that sends pairs or dense vectors.

        Of the union's U indices a rank has k; the other U - k reach it as pairs of c + i bytes, unless a dense
        allreduce (`optimal_traffic`) sends less. All ranks together do p k - U additions. A rank reads its pairs and
        writes the sum, as pairs or dense. A message at most doubles how many ranks' values a rank has.
        """
        parameters, ranks = self.parameters, self.comm.size
        pair_bytes, dense_bytes = _INDEX_BYTES + _VALUE_BYTES, parameters.elements * _VALUE_BYTES
        dense_sent_bytes, messages = optimal_traffic(dense_bytes, ranks)
        moved_bytes = parameters.pairs * pair_bytes + min(self.union * pair_bytes, dense_bytes)
        return Work(
            items=parameters.pairs * ranks,
            item="pair",
            flops=(parameters.pairs * ranks - self.union) / ranks,
            memory_bytes=moved_bytes,
            working_set_bytes=moved_bytes,
            sent_bytes=min((self.union - parameters.pairs) * pair_bytes, dense_sent_bytes),
            messages=messages,
        )

    def figures(self, step_s: float) -> list[Figure]:
        """How dense the sum is, and whether it is left as a dense vector."""
        return [
            Figure(name="union_density", value=self.union / self.parameters.elements),
            Figure(name="left_as", value="pairs" if self.result.dtype.names else "dense"),
        ]

    def _densify(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.names is None:
            return values
        dense = np.zeros(self.parameters.elements, np.float32)
        dense[values["index"]] = values["value"]
        return dense

    def _count_union(self) -> int:
        """Indices that any rank has."""
        from mpi4py import MPI

        present = np.zeros(self.parameters.elements, np.bool_)
        present[self.own["index"]] = True
        self.comm.Allreduce(MPI.IN_PLACE, present, MPI.LOR)
        return int(np.count_nonzero(present))


_WORKLOADS = "kernels.communication.sparse_algorithms"

KERNEL = Kernel(
    name="sparse_allreduce",
    version=1,
    summary="the sum of mostly empty vectors over all ranks, left on every rank",
    parameters=SparseAllreduceParameters,
    backends={
        "dense": Backend(
            "scattered into a dense vector, MPI_Allreduce", imported(f"{_WORKLOADS}:DenseAllreduce"), host_missing
        ),
        "recursive-doubling": Backend(
            "ours: pairs merged between partners, dense once that is shorter",
            imported(f"{_WORKLOADS}:DoublingAllreduce"),
            host_missing,
        ),
        "split-allgather": Backend(
            "ours: each rank sums a part of the indices, then all gather the parts",
            imported(f"{_WORKLOADS}:SplitAllreduce"),
            host_missing,
        ),
    },
    reference="dense",
    scaling="every rank has a vector of elements, in strong and in weak scaling",
)
