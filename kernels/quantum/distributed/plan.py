"""Which part of a state vector each rank holds, and when the ranks exchange amplitudes.

Over ``2**k`` ranks the n bits that address an amplitude are n - k local bits and, above them, the k bits of the rank's
number. Which qubits the bits hold is a linear map over GF(2), so CNOTs of any qubits at most relabel addresses, and a
phase has one sign on each rank. Only a rotation that mixes amplitudes of different ranks needs the others: then some
local bits and rank bits change places (Haener and Steiger, SC17, arXiv:1704.01127). Which ones is decided as for a
cache (Belady, IBM Systems Journal 5, 78 (1966)): those that are needed again the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from kernels.api import InputError
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.distributed.frame import Frame, SignedPrimitive
from kernels.quantum.planning.fusion import Stage, fuse, row_choices
from kernels.quantum.planning.primitives import Primitive, Rotation, collect, lower, mask_of
from kernels.quantum.planning.steps import Collector

_Taken = TypeVar("_Taken")

# as a network and memory have it that are about as fast as each other: a sweep reads and writes the state
_SWEEPS_PER_STATE_SENT = 2


class Leg(NamedTuple):
    """What the ranks do between two exchanges.

    First each local bit and rank bit that ``exchanged`` pairs change places. After the ``primitives`` each local bit
    flips on ranks where its mask in ``flips`` has odd parity.
    """

    exchanged: list[tuple[int, int]]
    primitives: list[SignedPrimitive]
    flips: list[int]


class Distribution(NamedTuple):
    """A circuit divided over ``2**rank_bits`` ranks.

    A rank's state begins with a factor: the rank's amplitude in the state that ``head`` makes of the rank bits alone.
    Then come the ``legs``. At the end qubit q is the parity of the bits ``sources[q]``, rank bits above local bits.
    """

    local_bits: int
    rank_bits: int
    head: list[Primitive]
    legs: list[Leg]
    sources: list[int]

    def sent_amplitudes(self) -> int:
        """Amplitudes that each rank sends for one circuit: where m bits are exchanged, all but 1/2**m of its state."""
        return sum((1 << self.local_bits) - (1 << self.local_bits - len(leg.exchanged)) for leg in self.legs)

    def count_messages(self, most_amplitudes: int) -> int:
        """Messages of so many amplitudes or fewer that each rank sends for one circuit, one after another."""
        slots = [(1 << len(leg.exchanged), 1 << self.local_bits - len(leg.exchanged)) for leg in self.legs]
        return sum((count - 1) * -(-size // most_amplitudes) for count, size in slots)


def check_ranks(qubits: int, ranks: int) -> None:
    """Raise `InputError` unless the ranks are a power of two, and few enough for the qubits left to each."""
    most = 1 << (qubits + 1) // 3
    if ranks.bit_count() != 1 or ranks > most:
        raise InputError(f"found {ranks} ranks for {qubits} qubits; right would be a power of two up to {most}")


def distribute(circuit: Circuit, rank_bits: int) -> Distribution:
    """Plan the circuit for ``2**rank_bits`` ranks; each of them finds the same plan.

    The ranks go on alone as long as they can, or exchange before each sweep if the fewer sweeps make up for it.
    """
    limits = [None, *row_choices(circuit.qubits - rank_bits)] if rank_bits else [None]
    return min((_distribute(circuit, rank_bits, rows) for rows in limits), key=_cost)


def _cost(distribution: Distribution) -> float:
    """In sweeps; to send a whole state takes as long as some."""
    stages = [
        Stage([part for part, _ in leg.primitives], [bit for bit, _ in leg.exchanged]) for leg in distribution.legs
    ]
    sweeps = fuse(stages, distribution.local_bits).sweeps
    return len(sweeps) + _SWEEPS_PER_STATE_SENT * distribution.sent_amplitudes() / (1 << distribution.local_bits)


def _distribute(circuit: Circuit, rank_bits: int, rows: int | None) -> Distribution:
    """Legs as long as possible or, given a number of ``rows`` as bits, of one sweep."""
    pending = [primitive for gate in circuit.gates for primitive in lower(gate)]
    frame, head, pending = _begin(pending, circuit.qubits, rank_bits)
    begun: list[SignedPrimitive] = []
    if rows:
        product = Collector(frame.local_bits, frame.local_bits, product=True)
        begun, pending = _collect(pending, _limited(frame, product), circuit.qubits)
    legs: list[Leg] = []
    exchanged: list[tuple[int, int]] = []
    while pending or not legs:
        taken, pending = _advance(frame, exchanged, pending, rows)
        legs.append(Leg(exchanged, taken if legs else begun + taken, frame.flatten()))
        if pending:
            exchanged = _choose_exchange(frame, pending, rows)
    return Distribution(frame.local_bits, rank_bits, head, legs, frame.sources)


def _advance(
    frame: Frame, exchanged: Sequence[tuple[int, int]], pending: Sequence[Primitive], rows: int | None
) -> tuple[list[SignedPrimitive], list[Primitive]]:
    """Exchange, then what the ranks can do alone, in one sweep if there is a number of ``rows``; and the rest."""
    settled = frame.exchange(exchanged)
    sweep = None
    if rows:
        sweep = Collector(frame.local_bits, rows, rows=mask_of([bit for bit, _ in exchanged]))
        sweep.collect([primitive for primitive, _ in settled])
    taken, rest = _collect(pending, _limited(frame, sweep), len(frame.sources))
    return settled + taken, rest


def _limited(frame: Frame, sweep: Collector | None) -> Callable[[Primitive], list[SignedPrimitive] | None]:
    def take(primitive: Primitive) -> list[SignedPrimitive] | None:
        # sweeps take all CNOTs, which alone change the frame
        some = frame.take(primitive)
        if some is None or sweep is None:
            return some
        return some if all([sweep.take(part) for part, _ in some]) else None

    return take


def _begin(pending: list[Primitive], qubits: int, rank_bits: int) -> tuple[Frame, list[Primitive], list[Primitive]]:
    """The first frame, whose rank bits hold the qubits that let the ranks go on alone the longest; head and rest."""

    def start(ranks: Sequence[int]) -> tuple[Frame, list[Primitive], list[Primitive]]:
        order = [qubit for qubit in range(qubits) if qubit not in ranks] + list(ranks)
        bits = {qubit: bit for bit, qubit in enumerate(ranks)}
        head, rest = _collect(pending, lambda primitive: _on_bits(primitive, bits), qubits)
        return Frame(order, qubits - rank_bits), head, rest

    def benefit(ranks: Sequence[int]) -> tuple[int]:
        frame, head, rest = start(ranks)
        taken, _ = _collect(rest, frame.take, qubits)
        return (_count_rotations(head) + _count_rotations(signed.primitive for signed in taken),)

    return start(_improve(list(range(qubits - rank_bits, qubits)), qubits, benefit))


def _on_bits(primitive: Primitive, bits: dict[int, int]) -> list[Primitive] | None:
    if not bits.keys() >= set(primitive.qubits):
        return None
    return [primitive._replace(qubits=tuple(bits[qubit] for qubit in primitive.qubits))]  # type: ignore[arg-type]


def _choose_exchange(frame: Frame, pending: list[Primitive], rows: int | None) -> list[tuple[int, int]]:
    """Pairs of a local bit and a rank bit to change places, so that the ranks can go on alone for long."""

    def benefit(ranks: Sequence[int]) -> tuple[int, int]:
        trial, pairs = frame.copy(), frame.pairs(ranks)
        taken, _ = _advance(trial, pairs, pending, rows)
        return _count_rotations(signed.primitive for signed in taken), -len(pairs)

    uses = frame.next_uses(pending)
    latest = sorted(range(len(uses)), key=uses.__getitem__)[frame.local_bits :]
    chosen = _improve(latest, len(uses), benefit)
    if rows:
        # it may be that no exchange is needed yet
        chosen = max(chosen, _improve(list(range(frame.local_bits, len(uses))), len(uses), benefit), key=benefit)
    # an exchange may move so much that the next rotation does not fit beside it: then it comes first, alone
    return frame.pairs(chosen if benefit(chosen) > (0, 0) else latest)


def _improve(chosen: list[int], count: int, benefit: Callable[[Sequence[int]], tuple[int, ...]]) -> list[int]:
    """Replace each of the ``chosen`` in turn by the best of ``range(count)``."""
    for place in range(len(chosen)):
        others = [[*chosen[:place], bit, *chosen[place + 1 :]] for bit in range(count) if bit not in chosen]
        chosen = max([chosen, *others], key=benefit)
    return chosen


def _count_rotations(primitives: Iterable[Primitive]) -> int:
    return sum(isinstance(primitive, Rotation) for primitive in primitives)


def _collect(
    pending: Sequence[Primitive], take: Callable[[Primitive], list[_Taken] | None], qubits: int
) -> tuple[list[_Taken], list[Primitive]]:
    """What can be taken, and the rest."""
    taken: list[_Taken] = []

    def keep(primitive: Primitive) -> bool:
        some = take(primitive)
        taken.extend(some or [])
        return some is not None

    rest = collect(pending, keep, qubits)
    return taken, rest
