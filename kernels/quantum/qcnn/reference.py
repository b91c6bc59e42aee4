"""The independent reference of `qcnn.module`: textbook matrices and parameter shifts in NumPy's complex128.

It shares with the module only the order of the units; qubit q is here axis 1 + q of states (batch, 2, ..., 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import pi

import numpy as np
from numpy.typing import NDArray

from kernels.quantum.circuits.arrays import Reals, States
from kernels.quantum.circuits.gates import matrix
from kernels.quantum.circuits.qcnn_units import layer_units


def values(weights: Reals, inputs: Reals, encoding: str = "zz") -> Reals:
    """``<Z>`` of the last qubit, (batch,), from weights (3 * units,) and inputs (batch, qubits)."""
    return _measure(_run(_encode(inputs, encoding), weights, 0))


def derivatives(weights: Reals, inputs: Reals, which: Sequence[int], encoding: str = "zz") -> Reals:
    """``d values / d weights[k]`` for each k of ``which``, (len(which), batch).

    The parameter-shift rule is exact for rotations: ``(f(w + pi/2) - f(w - pi/2)) / 2`` (Mitarai et al., Phys. Rev. A
    98, 032309 (2018), equation 8; Schuld et al., Phys. Rev. A 99, 032331 (2019)).
    """
    states = _encode(inputs, encoding)
    results = np.empty((len(which), len(inputs)))
    for unit in range(len(weights) // 3):
        for row, weight in enumerate(which):
            if weight // 3 == unit:
                shift = pi / 2 * (np.arange(len(weights)) == weight)
                plus, minus = (_measure(_run(states, shifted, unit)) for shifted in (weights + shift, weights - shift))
                results[row] = (plus - minus) / 2
        states = _run(states, weights[: 3 * (unit + 1)], unit)
    return results


def _run(states: States, weights: Reals, start: int) -> States:
    """Apply units from ``start`` on, as many as there are weights for."""
    for index, unit in enumerate(layer_units(states.ndim - 1)[: len(weights) // 3]):
        if index >= start:
            states = _apply(states, _unit(unit.pools, weights[3 * index : 3 * index + 3]), unit.a, unit.b)
    return states


def _encode(inputs: Reals, encoding: str) -> States:
    """H on each qubit, P(2 x_i) on each; for "zz" then CX P(2 (pi - x_i)(pi - x_j)) CX on each pair."""
    batch, qubits = inputs.shape
    states = np.full((batch, *(2,) * qubits), 2 ** (-qubits / 2), dtype=np.complex128)
    for qubit in range(qubits):
        _turn(states, {qubit: 1}, 2 * inputs[:, qubit])
    for i, j in combinations(range(qubits), 2) if encoding == "zz" else ():
        angle = 2 * (pi - inputs[:, i]) * (pi - inputs[:, j])
        _turn(states, {i: 0, j: 1}, angle)
        _turn(states, {i: 1, j: 0}, angle)
    return states


def _turn(states: States, bits: dict[int, int], angle: Reals) -> None:
    place = tuple(bits.get(qubit, slice(None)) for qubit in range(states.ndim - 1))
    part = states[(slice(None), *place)]
    part *= np.exp(1j * angle).reshape(-1, *(1,) * (part.ndim - 1))


def _unit(pools: bool, weights: Reals) -> NDArray[np.complex128]:
    """The unit gate by gate, (4, 4); qubit a is the less significant bit."""
    swap, a_flips_b = matrix("swap"), matrix("cx")
    b_flips_a = swap @ a_flips_b @ swap
    identity = np.eye(2)
    gates = [
        np.kron(matrix("rz", -pi / 2), identity),
        b_flips_a,
        np.kron(identity, matrix("rz", weights[0])),
        np.kron(matrix("ry", weights[1]), identity),
        a_flips_b,
        np.kron(matrix("ry", weights[2]), identity),
    ]
    if not pools:
        gates += [b_flips_a, np.kron(identity, matrix("rz", pi / 2))]
    unitary = np.eye(4, dtype=np.complex128)
    for gate in gates:
        unitary = gate @ unitary
    return unitary


def _apply(states: States, unitary: NDArray[np.complex128], a: int, b: int) -> States:
    # (b', a', b, a): the last axis is the less significant bit
    tensor = unitary.reshape(2, 2, 2, 2)
    moved = np.tensordot(states, tensor, axes=((1 + b, 1 + a), (2, 3)))
    return np.moveaxis(moved, (-2, -1), (1 + b, 1 + a))


def _measure(states: States) -> Reals:
    probabilities = np.abs(states).reshape(len(states), -1, 2) ** 2
    zero, one = probabilities.sum(axis=1).T
    return zero - one
