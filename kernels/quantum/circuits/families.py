"""The circuit families that are simulated, and the angles that belong to them."""

from __future__ import annotations

from math import acos, pi

import numpy as np
from numpy.typing import NDArray

from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
from kernels.quantum.circuits.qcnn_units import Unit, unit_gates

Angles = NDArray[np.float64]

# how many gates `su4` makes
SU4_GATES = 20


def hardware_efficient(qubits: int, depth: int) -> Circuit:
    """The hardware-efficient ansatz: ``depth`` layers of RY and RZ on each qubit, then CNOTs around a ring.

    After Kandala et al., Nature 549, 242 (2017), with the ring as entangler: CNOT(0,1), CNOT(1,2), ..., CNOT(n-1,0).
    It takes ``2 * qubits * depth`` angles: for each layer and qubit the RY angle, then the RZ angle.
    """
    gates = []
    for layer in range(depth):
        for qubit in range(qubits):
            index = 2 * (layer * qubits + qubit)
            gates += [Gate("ry", (qubit,), Parameter(index)), Gate("rz", (qubit,), Parameter(index + 1))]
        gates += _ring(qubits)
    return Circuit(qubits, tuple(gates))


def _ring(qubits: int) -> list[Gate]:
    """CNOTs from each qubit to the next and from the last to the first; one qubit has none."""
    return [Gate("cx", (qubit, (qubit + 1) % qubits)) for qubit in range(qubits) if qubits > 1]


def ghz(qubits: int) -> Circuit:
    """``(|0...0> + |1...1>) / sqrt(2)``."""
    return Circuit(qubits, (Gate("h", (0,)), *(Gate("cx", (q, q + 1)) for q in range(qubits - 1))))


def w(qubits: int) -> Circuit:
    """One 1 among zeros, on every qubit alike: ``(|10...0> + |010...0> + ... + |0...01>) / sqrt(n)``.

    Each qubit passes on to the next what is left of the one's amplitude.
    """
    gates = [Gate("x", (0,))]
    for qubit in range(qubits - 1):
        turn = 2 * acos((qubits - qubit) ** -0.5)
        gates += [Gate("cry", (qubit, qubit + 1), turn), Gate("cx", (qubit + 1, qubit))]
    return Circuit(qubits, tuple(gates))


def qft(qubits: int) -> Circuit:
    """The quantum Fourier transform, ``|j> -> sum_k exp(2 pi i j k / 2^n) |k> / sqrt(2^n)``.

    Nielsen and Chuang (2010), figure 5.1, with the swaps that restore the order of the qubits.
    """
    gates = []
    for target in reversed(range(qubits)):
        gates.append(Gate("h", (target,)))
        gates += [Gate("cp", (control, target), pi / 2 ** (target - control)) for control in reversed(range(target))]
    gates += [Gate("swap", (q, qubits - 1 - q)) for q in range(qubits // 2)]
    return Circuit(qubits, tuple(gates))


def inclined_ghz(qubits: int) -> Circuit:
    """``cos(t/2) |0...0> + sin(t/2) |1...1>`` for one angle t: `ghz` with RY(t) in place of H, whose t is pi/2."""
    return Circuit(qubits, (Gate("ry", (0,), Parameter(0)), *ghz(qubits).gates[1:]))


def qft_of_product(qubits: int) -> Circuit:
    """`qft` of a product state that takes an RY angle for each qubit, lest the result be the same for all."""
    return Circuit(qubits, tuple(Gate("ry", (q,), Parameter(q)) for q in range(qubits)) + qft(qubits).gates)


def qcbm(qubits: int, depth: int) -> Circuit:
    """The quantum circuit Born machine of Qulacs's published benchmark: ``(4 depth + 1) qubits`` gates.

    Suzuki et al., Quantum 5, 559 (2021), section 5: RX, RZ on each qubit, then ``depth`` rings of CNOTs with RZ, RX, RZ
    between them, then RZ, RX. Every rotation takes an angle of its own; ten layers are 41 n gates.
    """
    layers = [("rx", "rz"), *[("rz", "rx", "rz")] * (depth - 1), ("rz", "rx")]
    gates: list[Gate] = []
    place = 0
    for layer, names in enumerate(layers):
        for qubit in range(qubits):
            for name in names:
                gates.append(Gate(name, (qubit,), Parameter(place)))
                place += 1
        if layer < depth:
            gates += _ring(qubits)
    return Circuit(qubits, tuple(gates))


def quantum_volume(qubits: int, depth: int, seed: int) -> Circuit:
    """Quantum volume's circuits: each layer pairs the qubits at random and gives each pair a gate of SU(4).

    Cross et al., Phys. Rev. A 100, 032328 (2019). A gate takes 15 angles, in the order of `su4`; with the angles of
    `draw_su4` it is random in Haar's measure.
    """
    random = np.random.default_rng(seed)
    gates: list[Gate] = []
    place = 0
    for _ in range(depth):
        for first, second in random.permutation(qubits)[: qubits // 2 * 2].reshape(-1, 2).tolist():
            gates += su4(first, second, place)
            place += 15
    return Circuit(qubits, tuple(gates))


def su4(a: int, b: int, place: int) -> list[Gate]:
    """Any two-qubit gate, up to a phase, with three CNOTs and 15 angles from ``place`` on: local, nonlocal, local.

    Between Euler rotations RZ RY RZ of a, then of b, stands the nonlocal part, the QCNN's `unit_gates`.
    """
    angles = [Parameter(place + index) for index in range(15)]
    nonlocal_part = unit_gates(Unit(False, a, b), angles[6:9])
    before, after = ([*_euler(a, part[:3]), *_euler(b, part[3:])] for part in (angles[:6], angles[9:]))
    return [*before, *nonlocal_part, *after]


def _euler(qubit: int, angles: list[Parameter]) -> list[Gate]:
    return [Gate(name, (qubit,), angle) for name, angle in zip(("rz", "ry", "rz"), angles, strict=True)]


def draw_su4(random: np.random.Generator, count: int) -> Angles:
    """Angles of ``count`` gates of `su4`, (count, 15), random in Haar's measure.

    A random unitary is ``O D O'`` in the magic basis, O and O' random real orthogonal, that is, local, and ``D**2``
    distributed as the eigenvalues of ``U^T U`` (Dyson's circular orthogonal ensemble, J. Math. Phys. 3, 1199 (1962)).
    """
    gaussian = random.normal(size=(count, 4, 4, 2)) @ np.array([1, 1j])
    unitary, triangle = np.linalg.qr(gaussian)
    diagonal = np.einsum("kii->ki", triangle)
    unitary = unitary * (diagonal / np.abs(diagonal))[:, None]
    eigenvalues = np.linalg.eigvals(unitary.transpose(0, 2, 1) @ unitary)
    # a square root has two signs
    phases = np.angle(eigenvalues) / 2 + pi * random.integers(0, 2, (count, 4))
    x, y, z = np.array([[1, 1, -1, -1], [-1, 1, -1, 1], [1, -1, -1, 1]]) @ phases.T / 4
    angles = random.uniform(0, 2 * pi, (count, 15))
    turns = [1, 4, 10, 13]
    angles[:, turns] = np.arccos(random.uniform(-1, 1, (count, len(turns))))
    angles[:, 6:9] = np.stack([pi / 2 - 2 * z, 2 * x - pi / 2, pi / 2 - 2 * y], axis=1)
    return angles
