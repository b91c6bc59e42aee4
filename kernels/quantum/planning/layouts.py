"""Where a sweep's amplitudes stand in memory: orders of qubits, and linear maps of addresses over GF(2).

A map is a list of images: address bit b goes to the bits of ``images[b]``, and a sum of bits to the exclusive or of
their images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized

import numpy as np

from kernels.quantum.circuits.arrays import Integers

# the addresses that a whole cache line spans: eight amplitudes of complex64
LINE_BITS = 3


def bits(mask: int) -> list[int]:
    """The places of the ones."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def span(images: Sequence[int]) -> Integers:
    """The map of ``2**len(images)`` addresses."""
    values = np.zeros(1, np.int64)
    for image in images:
        values = np.concatenate([values, values ^ image])
    return values


def writable(before: list[int], flips: list[int], row_bits: int) -> list[int]:
    """Qubits that, lowest in the order after a sweep, let a tile fill lines: their flips stay among its rows."""
    columns = sum(1 << qubit for qubit in before[: len(before) - row_bits])
    return [qubit for qubit in range(len(before)) if not flips[qubit] & columns]


def choose(before: list[int], low: list[int], rows: int, row_bits: int, top: Sequence[int] = ()) -> list[int]:
    """The qubit at each address bit after a sweep, given the order before it.

    ``low`` qubits stand lowest if they are not among the ``rows``, which stand high, the ``top`` ones highest.
    """
    split = len(before) - row_bits
    taken = bits(rows)
    others = [qubit for qubit in range(len(before)) if qubit not in taken]
    others.sort(key=lambda qubit: (qubit not in low, qubit not in before[split:]))
    middle = [qubit for qubit in others[split:] + taken if qubit not in top]
    return [*others[:split], *sorted(middle), *top]


def targets(parities: list[int], before: list[int], after: list[int], split: int) -> tuple[Integers, Integers]:
    """Where each row and each column goes: the CNOTs and the change of order."""
    images = [sum((parities[after[bit]] >> qubit & 1) << bit for bit in range(len(after))) for qubit in before]
    return span(images[split:]), span(images[:split])


def line_rows(row_targets: Integers, line: int) -> Integers | None:
    """Rows that, added to any row, visit the ``line`` (a power of two) neighbouring targets in order, if there are."""
    linear = row_targets ^ row_targets[0]
    places = {int(target): row for row, target in enumerate(linear.tolist()) if target < line}
    if len(places) < line:
        return None
    return np.array([places[target] for target in range(line)], dtype=np.int64)


def skews(column_targets: Integers, line: int) -> Integers:
    """For each bit of a place in the line, which of as many neighbouring columns change it: two lanes a column."""
    places = (column_targets[:line] ^ column_targets[0]) & (line - 1)
    # column c's real and imaginary lane are the bits 2 c and 2 c + 1
    lanes = 3 << 2 * np.arange(len(places))
    return np.array([np.sum(lanes[places >> bit & 1 == 1]) for bit in range(LINE_BITS)], dtype=np.int64)


def frame(flips: Sequence[int], parities: Sequence[int], row_bits: int) -> tuple[list[int], list[int], Integers]:
    """Give each turn a bit of a row number of its own.

    Returns the turns' places by descending bits, those bits, and the row that each such number stands for. The turns
    must leave each other's parities alone. Turns that flip one bit keep it.
    """
    pivots: list[int] = []
    echelon: list[int] = []
    for flip in flips:
        for pivot, reduced in zip(pivots, echelon, strict=True):
            if flip >> pivot & 1:
                flip ^= reduced
        pivots.append(flip.bit_length() - 1)
        echelon.append(flip)
    images = []
    for bit in range(row_bits):
        image = flips[pivots.index(bit)] if bit in pivots else 1 << bit
        if bit not in pivots:
            for flip, parity in zip(flips, parities, strict=True):
                if parity >> bit & 1:
                    image ^= flip
        images.append(image)
    places = sorted(range(len(pivots)), key=lambda place: -pivots[place])
    return places, [pivots[place] for place in places], span(images)


def ends(groups: Iterable[Sized]) -> Integers:
    """Where each group ends in all of them laid end to end, after a zero."""
    return np.cumsum([0, *(len(group) for group in groups)])
