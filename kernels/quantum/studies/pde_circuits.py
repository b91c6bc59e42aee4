"""The circuits of the thesis's quantum solvers of partial differential equations (chapter 7 and appendix C).

Inputs enter by a ZZ feature map, units of three weights convolve and pool, ``<Z>`` of the last qubit is the answer.
Which units there are is not in the text: those here are the regular plans whose weights and inputs together number 20
and 59, as they do in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import pi
from typing import Literal

import numpy as np

from kernels.quantum.circuits.arrays import Reals, States
from kernels.quantum.circuits.circuit import Circuit, Gate
from kernels.quantum.circuits.qcnn_units import Unit, convolution, layer_units, network_gates
from kernels.quantum.circuits.reference import expectations, simulate

Equation = Literal["burgers", "poisson"]
Encoding = Literal["thesis", "tiled"]


def circuit_units(equation: Equation, encoding: Encoding) -> list[Unit]:
    """The units in order: 6 on 2 qubits for Burgers, 18 on 5 for Poisson, 13 on 4 where Burgers is tiled."""
    if encoding == "tiled":
        # the network of `layer_units` alone stays above a loss of 0.001
        return [*convolution(range(4)), *layer_units(4)]
    if equation == "burgers":
        return 2 * [*convolution(range(2)), Unit(True, 0, 1)]
    lives = [range(first, 5) for first in range(4)]
    return [unit for live in lives for unit in (*convolution(live), Unit(True, live[0], live[1]))]


def feature_map(inputs: Reals, repetitions: int) -> States:
    """States (samples, 2**qubits) of the ZZ feature map: H on all qubits, then phases, so many times over.

    Havlicek et al., Nature 567, 209 (2019), on all pairs; once over it is `qcnn.module.QCNN.encode`. Qubit 0
    is the most significant bit of the index.
    """
    qubits = inputs.shape[1]
    index = np.arange(1 << qubits)
    bits = index >> np.arange(qubits - 1, -1, -1)[:, None] & 1
    phases = 2 * inputs @ bits
    for i, j in combinations(range(qubits), 2):
        phases += 2 * ((pi - inputs[:, i]) * (pi - inputs[:, j]))[:, None] * (bits[i] ^ bits[j])
    hadamards = (1.0 - 2.0 * (np.bitwise_count(index[:, None] & index) & 1)) * 2 ** (-qubits / 2)
    states = np.zeros((len(inputs), 1 << qubits), dtype=np.complex128)
    states[:, 0] = 1
    for _ in range(repetitions):
        states = states @ hadamards * np.exp(1j * phases)
    return states


def least_squares_floor(states: States, values: Reals) -> float:
    """The least ``sum (y - <O>)^2 / 2N`` over every Hermitian O: no circuit and no affine readout gets below it.

    ``<O>`` is linear in O, with the entries of the states' density matrices as coefficients.
    """
    densities = (states[:, :, None] * states[:, None].conj()).reshape(len(states), -1)
    features = np.concatenate([densities.real, densities.imag], axis=1)
    solution = np.linalg.lstsq(features, values, rcond=1e-10)[0]
    return float(np.mean((features @ solution - values) ** 2) / 2)


def reference_values(units: Sequence[Unit], weights: Reals, inputs: Reals, repetitions: int) -> Reals:
    """``<Z>`` of the last qubit, (samples,), by textbook gates one at a time in complex128.

    It shares only the order of the units with `qcnn.module` and with `feature_map`.
    """
    qubits = inputs.shape[1]
    network = network_gates(units)
    circuits = (Circuit(qubits, (*repetitions * _feature_gates(sample), *network)) for sample in inputs.tolist())
    return np.array([expectations(simulate(circuit, weights))[-1].item() for circuit in circuits])


def _feature_gates(sample: Sequence[float]) -> list[Gate]:
    qubits = range(len(sample))
    gates = [Gate("h", (qubit,)) for qubit in qubits] + [Gate("p", (qubit,), 2 * sample[qubit]) for qubit in qubits]
    for i, j in combinations(qubits, 2):
        gates += [Gate("cx", (i, j)), Gate("p", (j,), 2 * (pi - sample[i]) * (pi - sample[j])), Gate("cx", (i, j))]
    return gates
