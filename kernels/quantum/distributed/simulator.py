"""One state vector over the memories of many MPI ranks: see `distributed.plan` for who holds what.

Between exchanges each rank's part runs through the same sweeps as a whole state does. What leaves a rank stands in one
piece at a known place, so it is sent from where it lies, and what arrives takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.distributed.plan import Distribution, Leg, check_ranks, distribute
from kernels.quantum.engine.binding import BoundSweeps, Preparation
from kernels.quantum.engine.executors import CompiledExecutor, TorchExecutor
from kernels.quantum.engine.statevector import DTYPES
from kernels.quantum.planning.fusion import Stage, Sweep, fuse
from kernels.quantum.planning.primitives import Move, Primitive

# amplitudes are exchanged in pieces that stay in the cache between their arrival and their place
CHUNK_BYTES = 1 << 19


class DistributedSimulator:
    """Runs one circuit for batches of angles on all ranks of ``comm`` (mpi4py) together, one circuit after another.

    Of ``2**k`` ranks each holds ``2**(qubits - k)`` amplitudes twice, and `CHUNK_BYTES` of others'. ``precision`` and
    ``device`` are those of `engine.statevector.Simulator`. ``sent_bytes`` counts the amplitudes that this rank
    has sent. Raises `InputError` for a number of ranks that `check_ranks` refuses.
    """

    def __init__(
        self, circuit: Circuit, comm: Any, precision: str = "double", device: str | torch.device = "cpu"
    ) -> None:
        check_ranks(circuit.qubits, comm.size)
        self.circuit, self.comm = circuit, comm
        self.distribution = distribute(circuit, comm.size.bit_length() - 1)
        self.sent_bytes = 0
        self._program = _Program(self.distribution, comm.rank)
        place = torch.device(device)
        self._executor = CompiledExecutor() if place.type == "cpu" else TorchExecutor(place)
        dtype, size = DTYPES[precision], 1 << self.distribution.local_bits
        self._buffers = [self._executor.empty((1, size), dtype) for _ in range(2)]
        self._arrivals = torch.empty(min(size, CHUNK_BYTES // dtype.itemsize), dtype=dtype)

    def expectations(self, angles: ArrayLike = ()) -> NDArray[np.float64]:
        """``<Z_q>`` of every qubit, (batch, qubits), on every rank, from angles in radians (batch, parameters)."""
        from mpi4py import MPI

        results = np.array(
            [self._program.signed_sums(self._executor, self._run(row)) for row in self.circuit.batch(angles)[:, None]]
        )
        self.comm.Allreduce(MPI.IN_PLACE, results)
        return results

    def amplitudes(self, angles: ArrayLike = ()) -> NDArray[np.complexfloating]:
        """Final states in full on every rank, (batch, 2**qubits), from angles as in `expectations`."""
        states = []
        for row in self.circuit.batch(angles)[:, None]:
            parts = self.comm.allgather(self._run(row).cpu().numpy()[0])
            states.append(np.concatenate(parts)[self._program.addresses()])
        return np.array(states)

    def _run(self, angles: NDArray[np.float64]) -> torch.Tensor:
        source, target = self._buffers
        self._executor.prepare(source, self._program.preparation, angles)
        sweeps = self._program.sweeps
        numbers = sweeps.bind(angles, source.dtype)
        for number in range(sweeps.count):
            if number in self._program.exchanges:
                self._exchange(source[0], self._program.exchanges[number])
            self._executor.sweep(source, target, sweeps, number, numbers)
            source, target = target, source
        return source

    def _exchange(self, state: torch.Tensor, rank_bits: list[int]) -> None:
        """The highest address bits and bits of the rank change places: each pair of ranks swaps one slot."""
        slots = state.view(1 << len(rank_bits), -1)
        own = sum((self.comm.rank >> bit & 1) << place for place, bit in enumerate(rank_bits))
        for distance in range(1, len(slots)):
            partner = self.comm.rank ^ sum((distance >> place & 1) << bit for place, bit in enumerate(rank_bits))
            for piece in slots[own ^ distance].split(len(self._arrivals)):
                arrived = self._arrivals[: len(piece)]
                leaving = piece.cpu().numpy()
                self.comm.Sendrecv(leaving, partner, recvbuf=arrived.numpy(), source=partner)
                self.sent_bytes += leaving.nbytes
                piece.copy_(arrived)


class _Program:
    """What one rank does: a distribution with the rank's signs in its angles and the rank's flips in its addresses."""

    def __init__(self, distribution: Distribution, rank: int) -> None:
        self.rank, self.local_bits = rank, distribution.local_bits
        legs, sources = distribution.legs, distribution.sources
        stages = [_stage(leg, rank) for leg in legs]
        plan = fuse(stages, self.local_bits, last=_last_layout(sources, self.local_bits))
        permutations = [plan.preparation, *plan.sweeps]
        for leg, end in zip(legs, [*plan.starts[1:], len(plan.sweeps)], strict=True):
            flips = sum(_odd(rank & leg.flips[bit]) << place for place, bit in enumerate(plan.layouts[end]))
            permutations[end] = permutations[end]._replace(row_targets=permutations[end].row_targets ^ flips)
        self.preparation = _RankPreparation(permutations[0], self.local_bits, distribution, rank)
        self.sweeps = BoundSweeps(permutations[1:])
        self.exchanges = {
            start: [rank_bit for _, rank_bit in leg.exchanged]
            for start, leg in zip(plan.starts[1:], legs[1:], strict=True)
        }
        # bits in the order of the last addresses, those of the rank on top
        order = plan.layouts[-1] + list(range(self.local_bits, len(sources)))
        self._masks = [sum((mask >> bit & 1) << place for place, bit in enumerate(order)) for mask in sources]
        self._row_bits = plan.row_bits

    def signed_sums(self, executor: CompiledExecutor | TorchExecutor, state: torch.Tensor) -> NDArray[np.float64]:
        """The rank's part of each ``<Z_q>``, in float64: probabilities with the sign of the qubit's parity."""
        split = self.local_bits - self._row_bits
        rows, columns = (sums[0] for sums in executor.marginals(state, self._row_bits))
        results = []
        for mask in self._masks:
            of_rows, of_columns = _signs(mask >> split, self._row_bits), _signs(mask, split)
            sign = 1 - 2 * _odd(mask >> self.local_bits & self.rank)
            if not mask & (1 << split) - 1:
                total = of_rows @ rows
            elif not mask >> split & (1 << self._row_bits) - 1:
                total = of_columns @ columns
            else:
                total = _two_sided(state, of_rows, of_columns)
            results.append(sign * total)
        return np.array(results)

    def addresses(self) -> NDArray[np.int64]:
        """Rank and local address of each amplitude in the natural order of qubits, as one number."""
        targets = np.zeros(1, np.int64)
        for place in range(len(self._masks)):
            image = sum((mask >> place & 1) << qubit for qubit, mask in enumerate(self._masks))
            targets = np.concatenate([targets, targets ^ image])
        return np.argsort(targets)


class _RankPreparation(Preparation):
    """The product state that the first leg begins with, times the rank's amplitude in the head's state."""

    def __init__(self, preparation: Sweep, local_bits: int, distribution: Distribution, rank: int) -> None:
        super().__init__(preparation, local_bits)
        self._head, self._rank = _Head(distribution.head, distribution.rank_bits), rank

    def bind(self, angles: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Factors of the rows (batch, rows) and of the columns (batch, columns)."""
        rows, columns = super().bind(angles)
        return rows * self._head.amplitudes(angles)[:, self._rank, None], columns


class _Head:
    """The state of the rank bits alone, small and the same on every rank."""

    def __init__(self, primitives: Sequence[Primitive], rank_bits: int) -> None:
        # a single rank has no bits: it is half of a qubit that nothing happens to
        self._bits = max(1, rank_bits)
        plan = fuse([Stage(primitives)], self._bits, last=list(range(self._bits)))
        self._preparation = Preparation(plan.preparation, self._bits)
        self._sweeps = BoundSweeps(plan.sweeps)
        self._executor = CompiledExecutor()

    def amplitudes(self, angles: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes of shape (batch, ranks)."""
        source, target = (self._executor.empty((len(angles), 1 << self._bits), torch.complex128) for _ in range(2))
        self._executor.prepare(source, self._preparation, angles)
        numbers = self._sweeps.bind(angles, source.dtype)
        for number in range(self._sweeps.count):
            self._executor.sweep(source, target, self._sweeps, number, numbers)
            source, target = target, source
        return source.numpy()


def _stage(leg: Leg, rank: int) -> Stage:
    """The leg's primitives with the rank's signs; the bits that have just arrived are on top."""
    primitives = [_signed(primitive, _odd(mask & rank)) for primitive, mask in leg.primitives]
    return Stage(primitives, [bit for bit, _ in leg.exchanged])


def _signed(primitive: Primitive, negative: int) -> Primitive:
    if isinstance(primitive, Move) or not negative:
        return primitive
    return primitive._replace(angle=primitive.angle.times(-1))


def _odd(mask: int) -> int:
    return mask.bit_count() & 1


def _last_layout(sources: Sequence[int], local_bits: int) -> list[int] | None:
    """Bits of parities over several of them stand together on top, where sums over rows tell them apart."""
    local = [mask & (1 << local_bits) - 1 for mask in sources]
    shared = [mask for mask in local if mask.bit_count() > 1]
    return sorted(range(local_bits), key=lambda bit: any(mask >> bit & 1 for mask in shared)) if shared else None


def _signs(mask: int, bits: int) -> NDArray[np.float64]:
    """``(-1)**parity`` over the mask of each number of so many bits."""
    return 1.0 - 2.0 * (np.bitwise_count(np.arange(1 << bits) & mask) & 1)


def _two_sided(state: torch.Tensor, of_rows: NDArray[np.float64], of_columns: NDArray[np.float64]) -> float:
    """The sum of probabilities, each with its row's and its column's sign, over a few rows at a time."""
    parts = torch.view_as_real(state).view(len(of_rows), len(of_columns), 2)
    signs = torch.from_numpy(of_columns).to(state.device)
    sums = [rows.double().square_().sum(dim=2) @ signs for rows in parts.split(max(1, (1 << 16) // len(signs)))]
    return float(of_rows @ torch.cat(sums).cpu().numpy())
