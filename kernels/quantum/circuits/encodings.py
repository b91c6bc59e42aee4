"""Data as quantum states: basis, amplitude, angle and QRAM encoding, each a circuit from ``|0...0>``.

Weigold et al., PLoP 2020, "Data encoding patterns for quantum computing", define the states. What an encoding costs is
what its circuit says: `Circuit.qubits`, `Circuit.depth` and `Circuit.entangling_gates`. Qubit q is bit q of the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.api import InputError
from kernels.quantum.circuits.circuit import Circuit, Gate


def basis(number: int, qubits: int) -> Circuit:
    """``|number>``, one X for each of its ones; raises `InputError` unless it is one of ``2**qubits`` numbers."""
    _refuse_wide(number, qubits, "basis encoding")
    return Circuit(qubits, tuple(Gate("x", (qubit,)) for qubit in range(qubits) if number >> qubit & 1))


def angle(values: ArrayLike) -> Circuit:
    """``RY(values[q])|0>`` on qubit q, angles in radians: a qubit for each value, depth one, no entangling gate."""
    return Circuit(
        len(np.atleast_1d(values)), tuple(Gate("ry", (q,), float(v)) for q, v in enumerate(np.ravel(values)))
    )


def amplitude(values: ArrayLike) -> Circuit:
    """``sum_i values[i] |i> / |values|`` on the fewest qubits, for real values (d,), padded with zeros.

    Moettoenen et al., Quantum Inf. Comput. 5, 467 (2005): from the top qubit down, RY on each qubit by an angle that
    depends on all above it. ``2**n - 2`` CNOTs on n qubits. Raises `InputError` for no values or none but zeros.
    """
    vector = np.ravel(np.asarray(values, dtype=np.float64))
    if not np.isfinite(vector).all() or not vector.any():
        raise InputError(f"amplitude encoding: found values {vector}; right would be finite ones, not all zero")
    # squares of the largest neither overflow nor vanish
    vector = vector / np.abs(vector).max()
    qubits = max(1, (len(vector) - 1).bit_length())
    padded = np.pad(vector, (0, (1 << qubits) - len(vector)))
    gates: list[Gate] = []
    for target in reversed(range(qubits)):
        # norms of the parts with the target 0 and 1, for each setting of the qubits above; the last keep their signs
        parts = padded.reshape(-1, 2, 1 << target)
        norms = np.linalg.norm(parts, axis=2) if target else parts[:, :, 0]
        gates += _multiplexed_ry(2 * np.arctan2(norms[:, 1], norms[:, 0]), list(range(target + 1, qubits)), target)
    return Circuit(qubits, tuple(gates))


def qram(data: Sequence[int], data_qubits: int) -> Circuit:
    """``sum_i |i>|data[i]> / sqrt(d)`` for d numbers, a power of two: address on the low qubits, data above.

    After H on the address every one of ``data[i]`` is a NOT controlled by the address being i. Raises `InputError` for
    another count of numbers or one that ``data_qubits`` cannot hold.
    """
    address_qubits = max(len(data), 1).bit_length() - 1
    if len(data) != 1 << address_qubits:
        raise InputError(f"QRAM encoding: found {len(data)} numbers; right would be a power of two")
    gates = [Gate("h", (qubit,)) for qubit in range(address_qubits)]
    for place, number in enumerate(data):
        _refuse_wide(number, data_qubits, f"QRAM encoding: number {place}")
        zeros = [Gate("x", (qubit,)) for qubit in range(address_qubits) if not place >> qubit & 1]
        ones = [address_qubits + bit for bit in range(data_qubits) if number >> bit & 1]
        flips = [gate for target in ones for gate in multi_controlled_x(list(range(address_qubits)), target)]
        gates += [*zeros, *flips, *zeros] if flips else []
    return Circuit(address_qubits + data_qubits, tuple(gates))


def multi_controlled_x(controls: Sequence[int], target: int) -> list[Gate]:
    """NOT of the target where all controls are 1, exact: ``2**(k + 1) - 2`` CNOTs for two or more controls, k.

    A phase pi where all k + 1 bits are 1 is a phase on the parity of each subset of them, by turns of sign (Barenco et
    al., Phys. Rev. A 52, 3457 (1995), lemma 7.1); a Gray code visits the subsets of one highest bit with a CNOT each.
    """
    if len(controls) < 2:
        return [Gate(("x", "cx")[len(controls)], (*controls, target))]
    qubits = [*controls, target]
    gates = [Gate("h", (target,))]
    for top, qubit in enumerate(qubits):
        members = 1 << top
        for step in range(1 << top):
            sign = (-1) ** (members.bit_count() - 1)
            gates.append(Gate("p", (qubit,), sign * pi / 2 ** (len(qubits) - 1)))
            if top:
                changed = _gray_change(step, top)
                members ^= 1 << changed
                gates.append(Gate("cx", (qubits[changed], qubit)))
    return [*gates, Gate("h", (target,))]


def _gray_change(step: int, bits: int) -> int:
    """Which bit a cyclic Gray code of so many bits changes after a step."""
    following = step + 1
    return min((following & -following).bit_length() - 1, bits - 1)


def _multiplexed_ry(angles: NDArray[np.float64], controls: list[int], target: int) -> list[Gate]:
    """RY of the target by ``angles[i]`` where the controls say i: RYs with CNOTs between, in a Gray code's order."""
    count = len(angles)
    codes = np.arange(count) ^ np.arange(count) >> 1
    signs = 1 - 2 * (np.bitwise_count(np.arange(count) & codes[:, None]).astype(np.int64) & 1)
    gates = []
    for step, turn in enumerate(signs @ angles / count):
        gates.append(Gate("ry", (target,), float(turn)))
        if controls:
            gates.append(Gate("cx", (controls[_gray_change(step, len(controls))], target)))
    return gates


def _refuse_wide(number: int, qubits: int, subject: str) -> None:
    if not 0 <= number < 1 << qubits:
        raise InputError(f"{subject}: found {number}; right would be 0 to {(1 << qubits) - 1}, for {qubits} qubits")
