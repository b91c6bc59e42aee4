"""The state-vector engine: runs a fused circuit on the CPU with compiled loops, elsewhere with torch operations.

Small circuits go through the whole circuit in cache, a sample a SIMD lane (`engine.batched`).

The circuit is planned once; `Simulator.run` then takes a batch of angles, so that many circuits of one shape, or the
same circuit again and again, cost no planning.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from kernels.api import InputError
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.circuits.observables import PauliSum, address
from kernels.quantum.engine import batched
from kernels.quantum.engine.adjoint import differentiate
from kernels.quantum.engine.binding import BoundSweeps, Preparation
from kernels.quantum.engine.executors import CompiledExecutor, TorchExecutor
from kernels.quantum.planning import layouts
from kernels.quantum.planning.fusion import Sweep, plan

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
        self._sweeps = BoundSweeps(self.plan.sweeps)
        natural = list(range(circuit.qubits))
        moves = layouts.targets(
            [1 << q for q in natural], self.plan.layouts[-1], natural, circuit.qubits - self.plan.row_bits
        )
        self._restoring = None if self.plan.layouts[-1] == natural else BoundSweeps([Sweep([], *moves)])
        self._buffers: list[torch.Tensor] = []
        self._partners: list[torch.Tensor] = []
        place = torch.device(device)
        self._executor = CompiledExecutor() if place.type == "cpu" else TorchExecutor(place)

    def run(self, angles: ArrayLike = ()) -> torch.Tensor:
        """Final states, complex of shape (batch, 2**qubits), from angles in radians of shape (batch, parameters).

        Qubit q is bit q of the index. One dimension of angles means a batch of one. The next run overwrites the
        states. Raises `InputError` if the number of angles is not the circuit's.
        """
        checked = self.circuit.batch(angles)
        if self._takes_lanes(len(checked)):
            states, _ = self._state_pair(len(checked))
            self._batched.run(states, checked)
            return states
        states = self._run(checked)
        if self._restoring is None:
            return states
        target = next(buffer for buffer in self._state_pair(len(checked)) if buffer.data_ptr() != states.data_ptr())
        self._executor.sweep(states, target, self._restoring, 0, self._restoring.bind(checked, self.dtype))
        return target

    def expectations(self, angles: ArrayLike = ()) -> NDArray[np.float64]:
        """``<Z_q>`` of every qubit, (batch, qubits), from angles as in `run`; summed in float64."""
        checked = self.circuit.batch(angles)
        if self._takes_lanes(len(checked)):
            return self._batched.expectations(checked)
        chunk = max(1, _CHUNK_AMPLITUDES >> self.circuit.qubits)
        chunks = (checked[start : start + chunk] for start in range(0, len(checked), chunk))
        return np.concatenate([self._expectations_of(self._run(part)) for part in chunks])

    def gradients(self, angles: ArrayLike, observable: PauliSum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``<observable>`` (batch,) and its derivatives by every angle (batch, parameters); angles as in `run`.

        By the adjoint method: memory for four states, whatever the depth. Raises `InputError` for an observable of
        other qubits, and anywhere but on the CPU.
        """
        if observable.qubits != self.circuit.qubits:
            raise InputError(f"observable: has {observable.qubits} qubits; the circuit has {self.circuit.qubits}")
        if not isinstance(self._executor, CompiledExecutor):
            raise InputError("gradients: found a GPU; right would be device cpu")
        checked = self.circuit.batch(angles)
        chunk = max(1, _CHUNK_AMPLITUDES >> self.circuit.qubits)
        parts = [
            self._gradients_of(checked[start : start + chunk], observable) for start in range(0, len(checked), chunk)
        ]
        values, derivatives = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(derivatives)

    def _takes_lanes(self, batch: int) -> bool:
        return isinstance(self._executor, CompiledExecutor) and batched.takes(self.circuit.qubits, batch)

    @cached_property
    def _batched(self) -> batched.BatchedExecutor:
        return batched.BatchedExecutor(self.circuit, self.dtype)

    def _gradients_of(
        self, angles: NDArray[np.float64], observable: PauliSum
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        executor = self._executor
        assert isinstance(executor, CompiledExecutor)
        final = self._run(angles)
        one, other = self._state_pair(len(angles))
        states = (one, other) if one.data_ptr() == final.data_ptr() else (other, one)
        addressed = address(observable, self.plan.layouts[-1], self.circuit.qubits - self.plan.row_bits)
        partners = self._kept(self._partners, len(angles))
        return differentiate(executor, self._preparation, self._sweeps, addressed, states, partners, angles)

    def _run(self, angles: NDArray[np.float64]) -> torch.Tensor:
        source, target = self._state_pair(len(angles))
        self._executor.prepare(source, self._preparation, angles)
        numbers = self._sweeps.bind(angles, self.dtype)
        for number in range(self._sweeps.count):
            self._executor.sweep(source, target, self._sweeps, number, numbers)
            source, target = target, source
        return source

    def _state_pair(self, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._kept(self._buffers, batch)

    def _kept(self, buffers: list[torch.Tensor], batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        # fresh memory costs more page faults than a sweep takes: keep it from run to run
        if not buffers or len(buffers[0]) < batch:
            shape = (batch, 1 << self.circuit.qubits)
            buffers[:] = [self._executor.empty(shape, self.dtype) for _ in range(2)]
        return buffers[0][:batch], buffers[1][:batch]

    def _expectations_of(self, states: torch.Tensor) -> NDArray[np.float64]:
        rows, columns = self._executor.marginals(states, self.plan.row_bits)
        by_address = np.concatenate([_signed_sums(columns), _signed_sums(rows)], axis=1)
        values = np.empty_like(by_address)
        values[:, self.plan.layouts[-1]] = by_address
        return values


def _signed_sums(marginals: NDArray[np.float64]) -> NDArray[np.float64]:
    """From probabilities (batch, 2**bits) to ``P(bit = 0) - P(bit = 1)`` of each bit (batch, bits)."""
    bits = marginals.shape[1].bit_length() - 1
    signs = 1.0 - 2.0 * (np.arange(1 << bits)[:, None] >> np.arange(bits) & 1)
    return np.einsum("bs,sq->bq", marginals, signs)
