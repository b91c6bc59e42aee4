"""Where the qubits of a distributed state are: which bits of an address, over the ranks and within one, hold which.

What the bits hold is a linear map over GF(2), as `distributed.plan` says. Masks are integers with a bit
for each address bit, rank bits above local bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kernels.quantum.planning.primitives import Move, Phase, Primitive, Rotation


class SignedPrimitive(NamedTuple):
    """A primitive on local bits; its angle changes sign on ranks where ``rank_mask`` has odd parity."""

    primitive: Primitive
    rank_mask: int


class Frame:
    """Where the qubits are.

    Built from the qubits in the ``order`` of the bits that hold them, the first ``local_bits`` of them on each rank.
    Qubit q is the parity of the bits ``sources[q]``; when it alone flips, the bits ``images[q]`` do. The local bit b
    holds qubit ``owners[b]`` up to a flip that is the same all over a rank: the qubit's source has no other local bit.
    """

    def __init__(self, order: Sequence[int], local_bits: int) -> None:
        self.local_bits = local_bits
        self.sources = [1 << order.index(qubit) for qubit in range(len(order))]
        self.images = list(self.sources)
        self.owners = dict(enumerate(order[:local_bits]))

    def copy(self) -> Frame:
        """One that can be tried on without moving this."""
        twin = Frame([], self.local_bits)
        twin.sources, twin.images, twin.owners = list(self.sources), list(self.images), dict(self.owners)
        return twin

    def take(self, primitive: Primitive) -> list[SignedPrimitive] | None:
        """What ranks do alone for a primitive on qubits; None where they cannot."""
        if isinstance(primitive, Move):
            return self._take_move(*primitive.qubits)
        if isinstance(primitive, Rotation):
            image, source = self.images[primitive.qubits[0]], self.sources[primitive.qubits[0]]
            if image >> self.local_bits:
                return None
            # X RY(t) X = RY(-t): where the rank flips the bit the rotation turns the other way
            return [SignedPrimitive(Rotation((image.bit_length() - 1,), primitive.angle), source >> self.local_bits)]
        mask = 0
        for qubit in primitive.qubits:
            mask ^= self.sources[qubit]
        return [SignedPrimitive(Phase(tuple(self._local(mask)), primitive.angle), mask >> self.local_bits)]

    def _take_move(self, control: int, target: int) -> list[SignedPrimitive]:
        self.sources[target] ^= self.sources[control]
        self.images[control] ^= self.images[target]
        for bit, owner in self.owners.items():
            if owner == target:
                # where the target's bit cancels, the control was only known by it: it takes the bit over
                return self._settle(bit, target if self.sources[target] >> bit & 1 else control)
        return []

    def _settle(self, bit: int, qubit: int) -> list[SignedPrimitive]:
        """CNOTs on local bits after which the bit holds the qubit."""
        self.owners[bit] = qubit
        others = [other for other in self._local(self.sources[qubit]) if other != bit]
        for other in others:
            self.sources = [mask ^ (mask >> bit & 1) << other for mask in self.sources]
            self.images = [mask ^ (mask >> other & 1) << bit for mask in self.images]
        return [SignedPrimitive(Move((other, bit)), 0) for other in others]

    def _local(self, mask: int) -> list[int]:
        return [bit for bit in range(self.local_bits) if mask >> bit & 1]

    def flatten(self) -> list[int]:
        """Let each local bit hold its qubit on all ranks alike; returns the masks of the ranks on which it flips."""
        flips = []
        for bit in range(self.local_bits):
            flip = self.sources[self.owners[bit]] >> self.local_bits
            self.sources = [mask ^ (mask >> bit & 1) * flip << self.local_bits for mask in self.sources]
            self.images = [mask ^ (mask >> self.local_bits & flip).bit_count() % 2 << bit for mask in self.images]
            flips.append(flip)
        return flips

    def next_uses(self, pending: Sequence[Primitive]) -> list[int]:
        """For each bit, as a rank bit, how many primitives come before a rotation that would need another rank."""
        firsts: dict[int, int] = {}
        for place, primitive in enumerate(pending):
            if isinstance(primitive, Rotation):
                firsts.setdefault(primitive.qubits[0], place)
        return [
            min((place for qubit, place in firsts.items() if self.images[qubit] >> bit & 1), default=len(pending))
            for bit in range(len(self.images))
        ]

    def pairs(self, ranks: Sequence[int]) -> list[tuple[int, int]]:
        """The local bits and the rank bits that must change places so that the bits ``ranks`` are the rank bits."""
        leaving = [bit for bit in ranks if bit < self.local_bits]
        coming = [bit for bit in range(self.local_bits, len(self.images)) if bit not in ranks]
        return [(bit, other - self.local_bits) for bit, other in zip(leaving, coming, strict=True)]

    def exchange(self, pairs: Sequence[tuple[int, int]]) -> list[SignedPrimitive]:
        """Let pairs of a local bit and a rank bit change places; returns CNOTs that settle all local bits again."""
        for bit, rank_bit in pairs:
            both = 1 << bit | 1 << rank_bit + self.local_bits
            self.sources, self.images = (
                [mask ^ both if (mask & both).bit_count() == 1 else mask for mask in masks]
                for masks in (self.sources, self.images)
            )
            del self.owners[bit]
        settled = [primitive for bit, qubit in list(self.owners.items()) for primitive in self._settle(bit, qubit)]
        for bit, _ in pairs:
            known = self.owners.values()
            candidates = (
                qubit for qubit, source in enumerate(self.sources) if source >> bit & 1 and qubit not in known
            )
            settled += self._settle(bit, next(candidates))
        return settled
