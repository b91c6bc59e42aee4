"""What runs a plan's sweeps: compiled loops on the CPU, torch operations on any device.

Both take states of shape (batch, 2**qubits) and angles in radians, float64 of shape (batch, parameters).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum import compiled
from kernels.quantum.binding import BoundSweep, Preparation

Probabilities = NDArray[np.float64]

# waking a thread takes as long as a sweep over this many amplitudes
_AMPLITUDES_PER_WORKER = 1 << 15

# a dense block of this many qubits keeps a GPU busy between two passes through its memory
_BLOCK_BITS = 5


class CompiledExecutor:
    """Sweeps through `kernels.quantum.compiled`, shared among as many threads as torch uses.

    Python's threads rather than Numba's: those spin between two loops, beside torch's own and those of other ranks.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(thread_name_prefix="sweep")

    def empty(self, shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
        """Memory for states. NumPy asks the system for huge pages, which strided tiles need, and torch does not."""
        return torch.from_numpy(np.empty(shape, np.complex64 if dtype == torch.complex64 else np.complex128))

    def prepare(self, target: torch.Tensor, preparation: Preparation, angles: NDArray[np.float64]) -> None:
        """Write the product state."""
        states = target.numpy()
        factors = (factors.astype(states.dtype) for factors in preparation.bind(angles))
        targets = preparation.row_targets, preparation.column_targets
        self._share(_workers(target), compiled.prepare, states, *factors, *targets)

    def sweep(self, source: torch.Tensor, target: torch.Tensor, sweep: BoundSweep, angles: NDArray[np.float64]) -> None:
        """One sweep from ``source`` to ``target``."""
        states = source.numpy(), target.numpy()
        bound = sweep.bind(angles, source.dtype)
        targets = sweep.row_targets, sweep.column_targets
        self._share(_workers(source), compiled.sweep, *states, sweep.ends, sweep.bits, *bound, *targets)

    def marginals(self, states: torch.Tensor, row_bits: int) -> tuple[Probabilities, Probabilities]:
        """Probabilities of each row (batch, rows) and of each column (batch, columns)."""
        batch, size = states.shape
        workers = _workers(states)
        rows, columns = np.empty((batch, 1 << row_bits)), np.empty((workers, batch, size >> row_bits))
        self._share(workers, compiled.marginals, states.numpy(), rows, columns)
        return rows, columns.sum(axis=0)

    def _share(self, workers: int, work: Callable[..., None], *arguments: object) -> None:
        others = [self._pool.submit(work, *arguments, worker, workers) for worker in range(1, workers)]
        work(*arguments, 0, workers)
        for other in others:
            other.result()


def _workers(states: torch.Tensor) -> int:
    """How many threads pay for states so large."""
    return max(1, min(torch.get_num_threads(), states.numel() // _AMPLITUDES_PER_WORKER))


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
        target.index_copy_(1, _addresses(preparation, target.device), product.flatten(1))

    def sweep(self, source: torch.Tensor, target: torch.Tensor, sweep: BoundSweep, angles: NDArray[np.float64]) -> None:
        """One sweep from ``source`` to ``target``."""
        cosines, sines, factors = (
            torch.from_numpy(bound).to(source.device) for bound in sweep.bind(angles, source.dtype)
        )
        batch, rows = len(source), sweep.row_targets.size
        state = source
        for step in range(len(sweep.ends) - 1):
            some = slice(sweep.ends[step], sweep.ends[step + 1])
            state = self._rotate(state, rows, sweep.bits[some].tolist(), cosines[:, some], sines[:, some])
            state = (state.view(batch, rows, -1) * factors[:, step, :, None]).view(batch, -1)
        target.index_copy_(1, _addresses(sweep, target.device), state)

    def _rotate(
        self, state: torch.Tensor, rows: int, bits: list[int], cosines: torch.Tensor, sines: torch.Tensor
    ) -> torch.Tensor:
        batch, row_bits = len(state), rows.bit_length() - 1
        for low in range(0, row_bits, _BLOCK_BITS):
            block = range(low, min(low + _BLOCK_BITS, row_bits))
            if not set(block) & set(bits):
                continue
            matrix = torch.ones(batch, 1, 1, dtype=cosines.dtype, device=cosines.device)
            for bit in block:
                matrix = _kronecker(_rotation(bits, bit, cosines, sines), matrix)
            # the block is real: one matrix product serves the real and the imaginary parts
            lanes = torch.view_as_real(state).view(batch, rows >> block.stop, 1 << len(block), -1)
            state = torch.view_as_complex((matrix[:, None] @ lanes).view(batch, -1, 2))
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


def _kronecker(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The Kronecker product of each pair of matrices in two batches."""
    size = left.shape[1] * right.shape[1]
    return (left[:, :, None, :, None] * right[:, None, :, None, :]).reshape(-1, size, size)


def _addresses(permuted: Preparation | BoundSweep, device: torch.device) -> torch.Tensor:
    rows, columns = (
        torch.from_numpy(targets).to(device) for targets in (permuted.row_targets, permuted.column_targets)
    )
    return (rows[:, None] ^ columns).flatten()
