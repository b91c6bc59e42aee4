from __future__ import annotations

from math import log

import numpy as np
import pytest

from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
from kernels.quantum.circuits.families import (
    SU4_GATES,
    draw_su4,
    ghz,
    hardware_efficient,
    inclined_ghz,
    qcbm,
    qft,
    qft_of_product,
    quantum_volume,
    su4,
)
from kernels.quantum.circuits.reference import simulate


def test_hardware_efficient_ansatz_is_rotations_then_a_ring():
    circuit = hardware_efficient(3, 2)
    assert circuit.parameters == 12
    first_layer = [
        *[Gate("ry", (0,), Parameter(0)), Gate("rz", (0,), Parameter(1))],
        *[Gate("ry", (1,), Parameter(2)), Gate("rz", (1,), Parameter(3))],
        *[Gate("ry", (2,), Parameter(4)), Gate("rz", (2,), Parameter(5))],
        *[Gate("cx", (0, 1)), Gate("cx", (1, 2)), Gate("cx", (2, 0))],
    ]
    assert list(circuit.gates[:9]) == first_layer
    assert [gate.name for gate in circuit.gates[9:]] == [gate.name for gate in circuit.gates[:9]]


@pytest.mark.parametrize("qubits", [4, 25])
def test_qcbm_of_ten_layers_has_the_published_number_of_gates(qubits: int):
    circuit = qcbm(qubits, 10)
    assert len(circuit.gates) == 41 * qubits
    assert circuit.entangling_gates == 10 * qubits
    assert circuit.parameters == 31 * qubits


def test_inclined_ghz_has_two_amplitudes():
    state = simulate(inclined_ghz(4), [0.7]).numpy()
    np.testing.assert_allclose(state[[0, -1]], [np.cos(0.35), np.sin(0.35)], atol=1e-15, rtol=0)
    assert np.count_nonzero(state) == 2
    np.testing.assert_allclose(simulate(ghz(4)), simulate(inclined_ghz(4), [np.pi / 2]), atol=1e-15, rtol=0)


def test_qft_of_a_product_state_is_the_fourier_transform_of_its_amplitudes():
    angles = [0.3, -1.0, 2.0, 0.8]
    before = simulate(Circuit(4, tuple(Gate("ry", (q,), a) for q, a in enumerate(angles)))).numpy()
    np.testing.assert_allclose(
        simulate(qft_of_product(4), angles), np.fft.ifft(before, norm="ortho"), atol=1e-14, rtol=0
    )
    assert qft(4).entangling_gates == 6 + 2


def test_gates_of_su4_are_random_in_haar_measure():
    angles = draw_su4(np.random.default_rng(8), 4000)
    circuit = Circuit(2, tuple(su4(0, 1, 0)))
    assert len(circuit.gates) == SU4_GATES
    probabilities = np.array([abs(simulate(circuit, row).numpy()) ** 2 for row in angles])
    # moments of one entry of a Haar-random 4x4 unitary: E p = 1/4, E p^2 = 2/20, E p^3 = 6/120
    for power, right in ((1, 1 / 4), (2, 1 / 10), (3, 1 / 20)):
        np.testing.assert_allclose((probabilities**power).mean(axis=0), right, rtol=0.09)


def test_quantum_volume_s_heavy_outputs_have_their_asymptotic_probability():
    circuit = quantum_volume(8, 8, seed=2)
    assert circuit.entangling_gates == 3 * 4 * 8
    random, shares = np.random.default_rng(9), []
    for _ in range(20):
        probabilities = abs(simulate(circuit, draw_su4(random, 4 * 8).ravel()).numpy()) ** 2
        shares.append(probabilities[probabilities > np.median(probabilities)].sum())
    # Aaronson and Chen, arXiv:1612.05903: (1 + ln 2) / 2
    assert np.mean(shares) == pytest.approx((1 + log(2)) / 2, abs=0.01)
