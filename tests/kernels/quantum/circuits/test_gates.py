from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from kernels.quantum.circuits.gates import KINDS, matrix

# a few units in the last place of float64 for each of the products that make an entry
ROUNDING = 1e-14


@pytest.mark.parametrize("name", KINDS)
def test_every_gate_is_unitary_of_the_size_of_its_qubits(name: str):
    unitary = matrix(name, 0.7)
    assert unitary.shape == (2 ** KINDS[name].qubits,) * 2
    np.testing.assert_allclose(unitary @ unitary.conj().T, np.eye(len(unitary)), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("name", "generator"), [("rx", "x"), ("ry", "y"), ("rz", "z")])
def test_rotations_are_exponentials_of_pauli_matrices(name: str, generator: str):
    np.testing.assert_allclose(matrix(name, 0.7), expm(-0.35j * matrix(generator)), atol=ROUNDING, rtol=0)


def test_the_first_qubit_is_the_control_and_the_less_significant_bit():
    # |01> has its first qubit set: the target, the second, flips
    assert np.argmax(matrix("cx")[:, 0b01]) == 0b11
    assert np.argmax(matrix("cx")[:, 0b10]) == 0b10
