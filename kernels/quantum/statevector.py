"""The state-vector engine: runs a fused circuit on the CPU with compiled loops, elsewhere with torch operations.

The circuit is planned once; `Simulator.run` then takes a batch of angles, so that many circuits of one shape, or the
same circuit again and again, cost no planning.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from kernels.api import InputError
from kernels.quantum.binding import BoundSweep, Preparation
from kernels.quantum.circuit import Circuit
from kernels.quantum.executors import CompiledExecutor, TorchExecutor
from kernels.quantum.fusion import plan

DTYPES = {"single": torch.complex64, "double": torch.complex128}

# many small states are simulated so many amplitudes at a time: enough to share among threads, few enough to stay cached
_CHUNK_AMPLITUDES = 1 << 18


class Simulator:
    """Runs one circuit for batches of angles.

    ``precision`` is "single" (complex64) or "double" (complex128); ``device`` is a torch device or its name.
    """

    def __init__(self, circuit: Circuit, precision: str = "double", device: str | torch.device = "cpu") -> None:
        self.circuit = circuit
        self.dtype = DTYPES[precision]
        self.plan = plan(circuit)
        self._preparation = Preparation(self.plan.preparation, circuit.qubits)
        self._sweeps = [BoundSweep(sweep) for sweep in self.plan.sweeps]
        self._buffers: list[torch.Tensor] = []
        place = torch.device(device)
        self._executor = CompiledExecutor() if place.type == "cpu" else TorchExecutor(place)

    def run(self, angles: ArrayLike = ()) -> torch.Tensor:
        """Final states, complex of shape (batch, 2**qubits), from angles in radians of shape (batch, parameters).

        Qubit q is bit q of the index. One dimension of angles means a batch of one. The next run overwrites the
        states. Raises `InputError` if the number of angles is not the circuit's.
        """
        return self._run(self._checked(angles))

    def expectations(self, angles: ArrayLike = ()) -> NDArray[np.float64]:
        """``<Z_q>`` of every qubit, (batch, qubits), from angles as in `run`; summed in float64."""
        checked = self._checked(angles)
        chunk = max(1, _CHUNK_AMPLITUDES >> self.circuit.qubits)
        chunks = (checked[start : start + chunk] for start in range(0, len(checked), chunk))
        return np.concatenate([self._expectations_of(self._run(part)) for part in chunks])

    def _checked(self, angles: ArrayLike) -> NDArray[np.float64]:
        checked = np.atleast_2d(np.asarray(angles, dtype=np.float64))
        if checked.shape[1] != self.circuit.parameters:
            raise InputError(f"angles: found {checked.shape[1]} a circuit; this one takes {self.circuit.parameters}")
        return checked

    def _run(self, angles: NDArray[np.float64]) -> torch.Tensor:
        source, target = self._state_pair(len(angles))
        self._executor.prepare(source, self._preparation, angles)
        for sweep in self._sweeps:
            self._executor.sweep(source, target, sweep, angles)
            source, target = target, source
        return source

    def _state_pair(self, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        # fresh memory costs more page faults than a sweep takes: keep it from run to run
        if not self._buffers or len(self._buffers[0]) < batch:
            shape = (batch, 1 << self.circuit.qubits)
            self._buffers = [self._executor.empty(shape, self.dtype) for _ in range(2)]
        return self._buffers[0][:batch], self._buffers[1][:batch]

    def _expectations_of(self, states: torch.Tensor) -> NDArray[np.float64]:
        rows, columns = self._executor.marginals(states, self.plan.row_bits)
        return np.concatenate([_signed_sums(columns), _signed_sums(rows)], axis=1)


def _signed_sums(marginals: NDArray[np.float64]) -> NDArray[np.float64]:
    """From probabilities (batch, 2**bits) to ``P(bit = 0) - P(bit = 1)`` of each bit (batch, bits)."""
    bits = marginals.shape[1].bit_length() - 1
    signs = 1.0 - 2.0 * (np.arange(1 << bits)[:, None] >> np.arange(bits) & 1)
    return np.einsum("bs,sq->bq", marginals, signs)
