"""What runs a plan's sweeps: compiled loops on the CPU, torch operations on any device.

Both take states of shape (batch, 2**qubits) and angles in radians, float64 of shape (batch, parameters).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.engine import threads
from kernels.quantum.engine.binding import BoundSweeps, Preparation
from kernels.quantum.loops import sweep as compiled
from kernels.quantum.loops.lanes import VECTOR_BYTES, aligned
from kernels.quantum.loops.sweep import Numbers
from kernels.quantum.loops.tiles import make_tiles

Probabilities = NDArray[np.float64]

# waking a thread takes as long as a sweep over this many amplitudes
_AMPLITUDES_PER_WORKER = 1 << 16

# a dense block of this many qubits keeps a GPU busy between two passes through its memory
_BLOCK_BITS = 5


class CompiledExecutor:
    """Sweeps through `loops.sweep`, shared among as many threads as torch uses."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, np.dtype], NDArray] = {}

    def empty(self, shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
        """Memory for states, whose lines are the cache's.

        NumPy asks the system for huge pages, which strided tiles need, and torch does not.
        """
        kind = np.complex64 if dtype == torch.complex64 else np.complex128
        return torch.from_numpy(aligned(shape, np.dtype(kind)))

    def tiles(self, count: int, rows: int, dtype: np.dtype) -> NDArray:
        """Room for tiles of states of the complex ``dtype``, kept: fresh memory costs page faults."""
        if (rows, dtype) not in self._tiles or len(self._tiles[rows, dtype]) < count:
            self._tiles[rows, dtype] = make_tiles(count, rows, np.zeros(0, dtype).real.dtype)
        return self._tiles[rows, dtype]

    def prepare(self, target: torch.Tensor, preparation: Preparation, angles: NDArray[np.float64]) -> None:
        """Write the product state."""
        states, workers = target.numpy(), count_workers(target)
        rows, columns = (factors.astype(states.dtype) for factors in preparation.bind(angles))
        parts = np.stack([columns.real, columns.imag], axis=1)
        tiles = self.tiles(workers, rows.shape[1], states.dtype)
        threads.share(workers, compiled.prepare, states, rows, parts, preparation.targets(states.itemsize), tiles)

    def sweep(
        self, source: torch.Tensor, target: torch.Tensor, sweeps: BoundSweeps, number: int, numbers: Numbers
    ) -> None:
        """One sweep from ``source`` to ``target``, by the numbers that `BoundSweeps.bind` gave."""
        states, workers = (source.numpy(), target.numpy()), count_workers(source)
        targets = sweeps.targets(source.itemsize)
        tiles = self.tiles(workers, targets.rows.shape[1], states[0].dtype)
        threads.share(workers, compiled.sweep, *states, sweeps.structure, number, numbers, targets, tiles)

    def marginals(self, states: torch.Tensor, row_bits: int) -> tuple[Probabilities, Probabilities]:
        """Probabilities of each row (batch, rows) and of each column (batch, columns)."""
        batch, size = states.shape
        workers = count_workers(states)
        rows, columns = np.empty((batch, 1 << row_bits)), np.empty((workers, batch, size >> row_bits))
        threads.share(workers, compiled.marginals, states.numpy(), rows, columns)
        return rows, columns.sum(axis=0)


def count_workers(states: torch.Tensor) -> int:
    """How many threads pay for states so large."""
    return threads.count(states.numel(), _AMPLITUDES_PER_WORKER)


class TorchExecutor:
    """The same sweeps as torch operations, on any device: rotations are dense real blocks of a few qubits."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def empty(self, shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
        """Memory for states."""
        return torch.empty(shape, dtype=dtype, device=self._device)

    def prepare(self, target: torch.Tensor, preparation: Preparation, angles: NDArray[np.float64]) -> None:
        """Write the product state."""
        rows, columns = (torch.from_numpy(factors).to(target) for factors in preparation.bind(angles))
        product = rows[:, :, None] * columns[:, None, :]
        target.index_copy_(1, preparation.addresses(0, target.device), product.flatten(1))

    def sweep(
        self, source: torch.Tensor, target: torch.Tensor, sweeps: BoundSweeps, number: int, numbers: Numbers
    ) -> None:
        """One sweep from ``source`` to ``target``, by the numbers that `BoundSweeps.bind` gave."""
        structure, of_rows = sweeps.structure, sweeps.row_tables(source.device)
        cosines, sines, tables, groups = (torch.from_numpy(part).to(source.device) for part in numbers)
        cosines, sines = (part[:, :: VECTOR_BYTES // part.element_size()] for part in (cosines, sines))
        state = source.view(len(source), structure.orders.shape[1], -1)
        for step in range(structure.step_ends[number], structure.step_ends[number + 1]):
            order = of_rows.orders[step]
            some = slice(structure.turn_ends[step], structure.turn_ends[step + 1])
            turned = self._rotate(state[:, order], structure.bits[some].tolist(), cosines[:, some], sines[:, some])
            state = torch.empty_like(turned).index_copy_(1, order, turned) * tables[:, step, :, None]
            for group in range(structure.group_ends[step], structure.group_ends[step + 1]):
                state = state * _column_factors(groups[:, group], of_rows.conjugate[group])
        target.index_copy_(1, sweeps.addresses(number, target.device), state.flatten(1))

    def _rotate(self, state: torch.Tensor, bits: list[int], cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
        batch, rows, columns = state.shape
        row_bits = rows.bit_length() - 1
        for low in range(0, row_bits, _BLOCK_BITS):
            block = range(low, min(low + _BLOCK_BITS, row_bits))
            if not set(block) & set(bits):
                continue
            matrix = torch.ones(batch, 1, 1, dtype=cosines.dtype, device=cosines.device)
            for bit in block:
                matrix = _kronecker(_rotation(bits, bit, cosines, sines), matrix)
            # the block is real: one matrix product serves the real and the imaginary parts
            lanes = torch.view_as_real(state).view(batch, rows >> block.stop, 1 << len(block), -1)
            state = torch.view_as_complex((matrix[:, None] @ lanes).view(batch, rows, columns, 2))
        return state

    def marginals(self, states: torch.Tensor, row_bits: int) -> tuple[Probabilities, Probabilities]:
        """Probabilities of each row (batch, rows) and of each column (batch, columns)."""
        parts = torch.view_as_real(states).view(len(states), 1 << row_bits, -1, 2)
        probabilities = parts.double().square_().sum(dim=3)
        return probabilities.sum(dim=2).cpu().numpy(), probabilities.sum(dim=1).cpu().numpy()


def _rotation(bits: list[int], bit: int, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """RY of ``bit`` as (batch, 2, 2); the identity if it is not among ``bits``."""
    if bit not in bits:
        return torch.eye(2, dtype=cosines.dtype, device=cosines.device).expand(len(cosines), 2, 2)
    cosine, sine = cosines[:, bits.index(bit)], sines[:, bits.index(bit)]
    return torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)


def _column_factors(parts: torch.Tensor, conjugate: torch.Tensor) -> torch.Tensor:
    """Factors (batch, rows, columns) from a group's (batch, 2, columns), of rows that are ``conjugate`` or not."""
    signs = 1 - 2 * conjugate.to(parts.dtype)
    return torch.complex(parts[:, None, 0].expand(-1, len(signs), -1), signs[:, None] * parts[:, None, 1])


def _kronecker(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The Kronecker product of each pair of matrices in two batches."""
    size = left.shape[1] * right.shape[1]
    return (left[:, :, None, :, None] * right[:, None, :, None, :]).reshape(-1, size, size)
