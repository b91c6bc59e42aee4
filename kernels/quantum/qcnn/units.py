"""Layers of two-qubit units on the CPU: their compiled loops as one differentiable function of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kernels.quantum.engine import threads
from kernels.quantum.loops.lanes import VECTOR_BYTES, aligned
from kernels.quantum.qcnn import loops as compiled_units

# waking a thread takes as long as a unit on so many amplitudes
_AMPLITUDES_PER_WORKER = 1 << 17

Apply = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class ApplyUnits(torch.autograd.Function):
    """From states to ``<Z>`` of the last qubit, float64 (batch,), after units have acted on them in order.

    Takes states (batch, 2**qubits) and the units' unitaries (units, 4, 4), both of one complex dtype, and the units'
    bits, int64 (units, 2): bit 0 is the last qubit's, and the first of two is the more significant in the unitary.
    Derivatives are for real functions. They take no memory but the states at both ends: unitaries are undone by their
    adjoints. ``same`` takes states and unitaries to the same values by torch operations: derivatives that are to be
    differentiated again (``create_graph``) go through it.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, unitaries: torch.Tensor, bits: np.ndarray, same: Apply) -> torch.Tensor:
        lanes = VECTOR_BYTES // (states.element_size() // 2)
        real = np.dtype(np.float32 if states.dtype == torch.complex64 else np.float64)
        blocks = -(-len(states) // lanes)
        finals = aligned((blocks, 2 * states.shape[1] * lanes), real)
        values = np.empty(len(states))
        workers = max(1, min(blocks, threads.count(states.numel() * len(bits), _AMPLITUDES_PER_WORKER)))
        matrices = _reals(unitaries)
        amplitudes = states.resolve_conj().contiguous().numpy()
        threads.share(workers, compiled_units.evaluate, amplitudes, bits, matrices, finals, values)
        ctx.finals, ctx.bits, ctx.same = finals, bits, same
        ctx.save_for_backward(states, unitaries)
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():
            return *_differentiably(ctx, slopes), None, None
        _, unitaries = ctx.saved_tensors
        # a second call finds the final states as the first did
        finals, bits, batch = ctx.finals.copy(), ctx.bits, len(slopes)
        lanes = VECTOR_BYTES // finals.itemsize
        amplitudes = finals.shape[1] // (2 * lanes)
        work = 3 * batch * amplitudes * len(bits)
        workers = max(1, min(len(finals), threads.count(work, _AMPLITUDES_PER_WORKER)))
        partners = aligned((workers, finals.shape[1]), finals.dtype)
        sums = aligned((workers, unitaries.numel() * 2 * lanes), np.dtype(np.float64))
        gradients = torch.empty(batch if ctx.needs_input_grad[0] else 0, amplitudes, dtype=unitaries.dtype)
        inverses = _reals(unitaries.mH)
        arrays = slopes.detach().numpy().astype(finals.dtype), bits, inverses, finals, partners, sums, gradients.numpy()
        threads.share(workers, compiled_units.differentiate, *arrays)
        totals = torch.from_numpy(sums.reshape(workers, -1, 2, lanes).sum(axis=(0, 3)))
        by_unitaries = torch.view_as_complex(totals).to(unitaries.dtype).view(unitaries.shape)
        return gradients if ctx.needs_input_grad[0] else None, by_unitaries, None, None


def _differentiably(ctx: Any, slopes: torch.Tensor) -> list[torch.Tensor | None]:
    """Gradients by states and unitaries as a graph of torch operations; None for what needs none."""
    needed = ctx.needs_input_grad[:2]
    inputs = [tensor for tensor, needs in zip(ctx.saved_tensors, needed, strict=True) if needs]
    gradients = iter(torch.autograd.grad(ctx.same(*ctx.saved_tensors), inputs, slopes, create_graph=True))
    return [next(gradients) if needs else None for needs in needed]


def _reals(matrices: torch.Tensor) -> np.ndarray:
    """Real and imaginary parts in order, flat."""
    return torch.view_as_real(matrices.detach().resolve_conj().contiguous()).flatten().numpy()
