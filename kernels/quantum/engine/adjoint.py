"""Gradients by the adjoint method: sweep forward, then undo the sweeps on the state and the observable's image of it.

Jones and Gacon, arXiv:2009.02823: for a gate ``exp(-i t/2 P)`` the derivative of ``<O>`` by t is
``Im <O psi| P |psi>``, both states taken where the gate stands. It keeps four state vectors, whatever the
depth, and runs on the CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.circuits.observables import AddressedPaulis
from kernels.quantum.engine import threads
from kernels.quantum.engine.binding import BoundSweeps, Preparation, phase_factors, product, rotate_each
from kernels.quantum.engine.executors import CompiledExecutor, count_workers
from kernels.quantum.loops import adjoint as compiled_adjoint
from kernels.quantum.loops.adjoint import InnerProducts
from kernels.quantum.loops.sweep import Numbers

States = tuple[torch.Tensor, torch.Tensor]


def differentiate(
    executor: CompiledExecutor,
    preparation: Preparation,
    sweeps: BoundSweeps,
    observable: AddressedPaulis,
    states: States,
    partners: States,
    angles: Reals,
) -> tuple[Reals, Reals]:
    """``<O>`` (batch,) and its derivatives by every parameter (batch, parameters).

    ``states`` are the circuit's final state and room for one more, ``partners`` room for two, all of shape (batch,
    2**qubits), and all are overwritten.
    """
    (state, spare), (partner, partner_spare) = ([tensor.numpy() for tensor in pair] for pair in (states, partners))
    workers = count_workers(states[0])
    threads.share(workers, compiled_adjoint.apply_paulis, state, partner, *observable)
    values = np.array([_inner(one, other) for one, other in zip(state, partner, strict=True)])
    structure, inverse = sweeps.structure, _invert(sweeps.bind(angles, states[0].dtype))
    sums = _make_sums(workers, inverse, structure.bits.size)
    for number in reversed(range(sweeps.count)):
        targets = sweeps.targets(state.itemsize)
        tiles = executor.tiles(2 * workers, structure.orders.shape[1], state.dtype)
        undone = state, spare, partner, partner_spare
        threads.share(workers, compiled_adjoint.unsweep, *undone, structure, number, inverse, targets, tiles, sums)
        state, spare, partner, partner_spare = spare, state, partner_spare, partner
    derivatives = _of_preparation(preparation, partner, angles)
    sweeps.add_derivatives(sums, derivatives)
    return values, derivatives


def _inner(one: NDArray, other: NDArray) -> float:
    """``Re <one|other>``: a product of real vectors, so that no conjugate takes memory."""
    real = one.real.dtype
    return np.einsum("a,a->", one.view(real), other.view(real), dtype=np.float64)


def _invert(numbers: Numbers) -> Numbers:
    """The numbers of all angles negated."""
    groups = numbers.groups * np.array([[1], [-1]], dtype=numbers.groups.dtype)
    return numbers._replace(sines=-numbers.sines, tables=numbers.tables.conj(), groups=groups)


def _make_sums(workers: int, numbers: Numbers, turns: int) -> InnerProducts:
    batch, groups, _, columns = numbers.groups.shape
    shapes = (batch, turns), numbers.tables.shape, (batch, groups, columns)
    return InnerProducts(*(np.zeros((workers, *shape)) for shape in shapes))


def _of_preparation(preparation: Preparation, partner: NDArray, angles: Reals) -> Reals:
    """Derivatives by the angles of the product state: each qubit sees ``<partner|`` contracted with the others."""
    history = preparation.evolve(angles)
    columns = preparation.column_bits
    rows, lowest = preparation.bind(angles)
    targets = preparation.targets(partner.itemsize)
    row_sums, column_sums = np.empty_like(rows), np.empty_like(lowest)
    compiled_adjoint.contract(partner, rows, lowest, targets.rows[0], targets.columns[0], row_sums, column_sums)
    seen = np.concatenate(
        [_environments(column_sums, history[-1][:, :columns]), _environments(row_sums, history[-1][:, columns:])],
        axis=1,
    )
    derivatives = np.zeros_like(angles)
    for step in reversed(range(len(preparation.rotations))):
        rotations, (signs, phases) = preparation.rotations[step], preparation.phases[step]
        after = history[2 * step + 2]
        phases.add_derivatives((seen * after).imag.reshape(len(angles), -1) @ signs.T, derivatives)
        seen = seen * phase_factors(phases.bind(angles), signs).reshape(seen.shape)
        turned = history[2 * step + 1]
        rotations.add_derivatives((seen[:, :, 1] * turned[:, :, 0] - seen[:, :, 0] * turned[:, :, 1]).real, derivatives)
        seen = rotate_each(seen, -rotations.bind(angles))
    return derivatives


def _environments(sums: NDArray, states: NDArray) -> NDArray:
    """From (batch, 2**bits) to (batch, bits, 2): contracted with the states (batch, bits, 2) of all bits but one."""
    bits = states.shape[1]
    result = np.empty_like(states)
    for bit in range(bits):
        below, above = product(states[:, :bit]), product(states[:, bit + 1 :])
        result[:, bit] = np.einsum("bupl,bu,bl->bp", sums.reshape(len(sums), len(above[0]), 2, -1), above, below)
    return result
