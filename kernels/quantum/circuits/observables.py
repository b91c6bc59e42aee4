"""Observables: sums of products of Pauli operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.api import InputError


class PauliTerm(NamedTuple):
    """``coefficient`` times a product of Pauli operators, one for each qubit of ``factors``: "X", "Y" or "Z"."""

    coefficient: float
    factors: Mapping[int, str]


class PauliSum:
    """A Hermitian observable of ``qubits`` qubits: a sum of Pauli products with real coefficients.

    Raises `InputError` for a letter that is no Pauli operator or a qubit that does not exist.
    """

    def __init__(self, qubits: int, terms: Iterable[PauliTerm]) -> None:
        self.qubits = qubits
        self.terms = tuple(terms)
        for position, term in enumerate(self.terms):
            for qubit, letter in term.factors.items():
                if letter not in ("X", "Y", "Z") or not 0 <= qubit < qubits:
                    raise InputError(
                        f"observable: term {position}: found {letter!r} on qubit {qubit}; "
                        f"right would be X, Y or Z on qubits 0 to {qubits - 1}"
                    )

    @classmethod
    def total_z(cls, qubits: int) -> PauliSum:
        """The sum of Z over all qubits."""
        return cls(qubits, [PauliTerm(1.0, {qubit: "Z"}) for qubit in range(qubits)])

    def masks(self) -> list[tuple[complex, int, int]]:
        """Each term as ``(c, flips, signs)``: it takes |a> to ``c (-1)^(ones of a & signs) |a ^ flips>``."""
        result = []
        for coefficient, factors in self.terms:
            flips = sum(1 << qubit for qubit, letter in factors.items() if letter != "Z")
            signs = sum(1 << qubit for qubit, letter in factors.items() if letter != "X")
            # Y|0> = i|1>, Y|1> = -i|0>
            result.append((coefficient * 1j ** (flips & signs).bit_count(), flips, signs))
        return result


class AddressedPaulis(NamedTuple):
    """An observable on a state whose qubits stand in some order, as arrays.

    Terms that flip the same address bits ``flips[g]`` are a group; its terms on columns alone are one diagonal
    ``column_parts[g]`` (groups, columns). The others, ``ends[g]`` to ``ends[g + 1]``, have a coefficient, a mask of row
    bits, and the signs of the columns (terms, columns).
    """

    flips: NDArray[np.int64]
    column_parts: NDArray[np.complex128]
    ends: NDArray[np.int64]
    coefficients: NDArray[np.complex128]
    row_signs: NDArray[np.int64]
    column_signs: NDArray[np.float64]


def address(observable: PauliSum, layout: list[int], column_bits: int) -> AddressedPaulis:
    """The observable in address bits, of which the lowest ``column_bits`` are columns; qubit ``layout[b]`` is bit b."""
    place = {qubit: bit for bit, qubit in enumerate(layout)}
    grouped: dict[int, list[tuple[complex, int]]] = {}
    for coefficient, flips, signs in observable.masks():
        flips, signs = (sum(1 << place[q] for q in place if mask >> q & 1) for mask in (flips, signs))
        # read at the address that is written: the bits that both flip and sign count once more
        sign = (-1) ** (flips & signs).bit_count()
        grouped.setdefault(flips, []).append((sign * coefficient, signs))
    columns = np.arange(1 << column_bits)
    low = len(columns) - 1
    parts = np.zeros((len(grouped), len(columns)), dtype=np.complex128)
    mixed: list[tuple[complex, int, NDArray[np.float64]]] = []
    ends = [0]
    for group, terms in enumerate(grouped.values()):
        for coefficient, signs in terms:
            column_signs = 1.0 - 2.0 * (np.bitwise_count(columns & signs & low) & 1)
            if signs > low:
                mixed.append((coefficient, signs >> column_bits, column_signs))
            else:
                parts[group] += coefficient * column_signs
        ends.append(len(mixed))
    return AddressedPaulis(
        flips=np.array(list(grouped), dtype=np.int64),
        column_parts=parts,
        ends=np.array(ends, dtype=np.int64),
        coefficients=np.array([coefficient for coefficient, _, _ in mixed], dtype=np.complex128),
        row_signs=np.array([mask for _, mask, _ in mixed], dtype=np.int64),
        column_signs=np.array([signs for _, _, signs in mixed], dtype=np.float64).reshape(-1, len(columns)),
    )
