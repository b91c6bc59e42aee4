"""From a plan's structure and a batch of angles to the numbers that its sweeps multiply by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.fusion import Step, Sweep
from kernels.quantum.primitives import Angle


class _AngleArray:
    """A list of `Angle` as arrays, so that a batch of parameters gives all of them at once."""

    def __init__(self, angles: Iterable[Angle]) -> None:
        table = np.array(list(angles), dtype=np.float64).reshape(-1, 3)
        self.parameters = table[:, 0].astype(np.intp)
        self.scales, self.constants = table[:, 1], table[:, 2]

    def bind(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """From (batch, parameters) to (batch, angles)."""
        if not self.scales.any():
            return np.repeat(self.constants[None], len(angles), axis=0)
        return angles[:, self.parameters] * self.scales + self.constants


class _PhaseArray:
    """The phases of a step as one diagonal over row bits."""

    def __init__(self, step: Step, bits: int) -> None:
        masks = np.array([mask for mask, _ in step.phases], dtype=np.int64)
        self.signs = 1.0 - 2.0 * (np.bitwise_count(masks[:, None] & np.arange(1 << bits)) & 1)
        self.angles = _AngleArray(angle for _, angle in step.phases)

    def bind(self, angles: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Factors of shape (batch, 2**bits)."""
        return _phase_factors(self.angles.bind(angles), self.signs)


class BoundSweep:
    """A sweep's structure as arrays; `bind` fills in the angles."""

    def __init__(self, sweep: Sweep) -> None:
        self.row_targets, self.column_targets = sweep.row_targets, sweep.column_targets
        rotations = [sorted(step.rotations.items(), reverse=True) for step in sweep.steps]
        self.ends = np.cumsum([0, *map(len, rotations)])
        self.bits = np.array([bit for step in rotations for bit, _ in step], dtype=np.int64)
        self._rotations = _AngleArray(angle for step in rotations for _, angle in step)
        row_bits = sweep.row_targets.size.bit_length() - 1
        self._phases = [_PhaseArray(step, row_bits) for step in sweep.steps]

    def bind(self, angles: NDArray[np.float64], dtype: torch.dtype) -> tuple[NDArray, NDArray, NDArray]:
        """Cosines and sines of half the rotation angles (batch, rotations); factors (batch, steps, rows)."""
        real, imaginary = (np.float32, np.complex64) if dtype == torch.complex64 else (np.float64, np.complex128)
        halves = self._rotations.bind(angles) / 2
        factors = np.stack([phases.bind(angles) for phases in self._phases], axis=1)
        return np.cos(halves).astype(real), np.sin(halves).astype(real), factors.astype(imaginary)


class Preparation:
    """The product state that the leading gates make of ``|0...0>``."""

    def __init__(self, preparation: Sweep, qubits: int) -> None:
        self.qubits = qubits
        self.row_targets, self.column_targets = preparation.row_targets, preparation.column_targets
        none = Angle(0, 0.0, 0.0)
        self._rotations = [
            _AngleArray(step.rotations.get(qubit, none) for qubit in range(qubits)) for step in preparation.steps
        ]
        self._phases = [
            (self._signs(step), _AngleArray(angle for _, angle in step.phases)) for step in preparation.steps
        ]

    def _signs(self, step: Step) -> NDArray[np.float64]:
        """The sign of each phase for each value of its qubit, (phases, 2 * qubits); a global one falls to qubit 0."""
        signs = np.zeros((len(step.phases), self.qubits, 2))
        for phase, (mask, _) in enumerate(step.phases):
            signs[phase, max(mask.bit_length() - 1, 0)] = (1, -1) if mask else (1, 1)
        return signs.reshape(-1, 2 * self.qubits)

    def bind(self, angles: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Factors of the rows (batch, rows) and of the columns (batch, columns)."""
        qubit_states = np.zeros((len(angles), self.qubits, 2), dtype=np.complex128)
        qubit_states[:, :, 0] = 1
        for rotations, (signs, phases) in zip(self._rotations, self._phases, strict=True):
            halves = rotations.bind(angles) / 2
            cosines, sines = np.cos(halves), np.sin(halves)
            zero, one = qubit_states[:, :, 0], qubit_states[:, :, 1]
            qubit_states = np.stack([cosines * zero - sines * one, sines * zero + cosines * one], axis=2)
            qubit_states *= _phase_factors(phases.bind(angles), signs).reshape(qubit_states.shape)
        split = self.column_targets.size.bit_length() - 1
        return _product(qubit_states[:, split:]), _product(qubit_states[:, :split])


def _phase_factors(angles: NDArray[np.float64], signs: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Products over phases, (batch, states), from angles (batch, phases) and signs (phases, states)."""
    # a matrix product would wake the BLAS library's threads for next to nothing
    return np.exp(-0.5j * np.einsum("bp,ps->bs", angles, signs))


def _product(qubit_states: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The product state (batch, 2**qubits) of qubit states (batch, qubits, 2)."""
    state = np.ones((len(qubit_states), 1), dtype=np.complex128)
    for qubit in range(qubit_states.shape[1]):
        state = (qubit_states[:, qubit, :, None] * state[:, None, :]).reshape(len(state), -1)
    return state
