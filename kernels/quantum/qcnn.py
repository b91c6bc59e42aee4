"""The quantum convolutional network as a ``torch.nn.Module``, batched over samples, its gates fused into dense blocks.

Two-qubit units after Vatan and Williams, Phys. Rev. A 69, 032315 (2004), arranged as in Cong, Choi and Lukin, Nature
Physics 15, 1273 (2019): convolution around a ring of the live qubits, then pooling that halves them, until one is left.
The input enters through the feature map of Havlicek et al., Nature 567, 209 (2019).
"""

from __future__ import annotations

from cmath import exp
from math import pi
from typing import NamedTuple

import torch

from kernels.api import InputError
from kernels.quantum.statevector import DTYPES

# a dense block of so many qubits costs as little as its dispatch, and holds nine units where the circuit narrows
_BLOCK_QUBITS = 4


class Unit(NamedTuple):
    """Three weights on qubits ``a`` and ``b``; a pooling unit leaves out the last two gates of a convolution's."""

    pools: bool
    a: int
    b: int


def layer_units(qubits: int) -> list[Unit]:
    """The network's units in order, for two qubits or more.

    A layer on m qubits convolves pairs (0,1), (2,3), ..., then (1,2), (3,4), ..., then around the end: m units. Then
    its first m // 2 qubits are pooled, one each, into its last m // 2, and leave. Eight qubits make 21 units.
    """
    units: list[Unit] = []
    live = list(range(qubits))
    while len(live) > 1:
        size = len(live)
        starts = [*range(0, size - 1, 2), *range(1, size - 1, 2), size - 1]
        units += [Unit(False, live[start], live[(start + 1) % size]) for start in starts]
        units += [Unit(True, live[i], live[size - size // 2 + i]) for i in range(size // 2)]
        live = live[size // 2 :]
    return units


class QCNN(torch.nn.Module):
    """From inputs of shape (batch, qubits) to ``<Z>`` of the last qubit, shape (batch,), in [-1, 1].

    ``weights`` are three angles in radians for each of `layer_units`, 63 for eight qubits, drawn from ``[0, 2 pi)``
    with torch's generator. ``precision`` "single" computes in complex64 and float32, "double" in complex128 and
    float64. Gradients flow to the weights and to the inputs. Raises `InputError` for fewer than two qubits.
    """

    _parities: torch.Tensor
    _first: torch.Tensor
    _middle: torch.Tensor
    _last: torch.Tensor
    _embedding: torch.Tensor
    _members: torch.Tensor

    def __init__(self, qubits: int = 8, precision: str = "single") -> None:
        super().__init__()
        if qubits < 2:
            raise InputError(f"QCNN: found qubits={qubits}; right would be 2 or more")
        self.qubits = qubits
        self.dtype = DTYPES[precision]
        units = layer_units(qubits)
        self.weights = torch.nn.Parameter(2 * pi * torch.rand(3 * len(units), dtype=self.dtype.to_real()))
        self._blocks = _fuse(units, min(_BLOCK_QUBITS, qubits))
        tables = {
            "_parities": _parity_table(qubits),
            "_first": _FIRST.to(self.dtype),
            "_middle": _MIDDLE.to(self.dtype),
            "_last": torch.stack([torch.eye(4) if unit.pools else _LAST for unit in units]).to(self.dtype),
            "_embedding": _embedding_table(units, self._blocks).to(self.dtype),
            "_members": _member_table(self._blocks, none=len(units)),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``<Z>`` of the last qubit; raises `InputError` unless inputs have shape (batch, qubits)."""
        if inputs.dim() != 2 or inputs.shape[1] != self.qubits:
            raise InputError(f"QCNN: found inputs {tuple(inputs.shape)}; right would be (batch, {self.qubits})")
        states = self.encode(inputs)
        axes = list(range(self.qubits))
        for block, matrix in zip(self._blocks, self._block_matrices(), strict=True):
            # the block's qubits become the last axes and stay there: the order of the others matters to nobody
            order = [*(qubit for qubit in axes if qubit not in block.qubits), *block.qubits]
            states = states.view(-1, *(2,) * self.qubits).permute(0, *(1 + axes.index(qubit) for qubit in order))
            states = states.reshape(-1, len(matrix)) @ matrix.T
            axes = order
        probabilities = torch.view_as_real(states).double().square().sum(dim=-1)
        halves = probabilities.view(len(inputs), 1 << axes.index(self.qubits - 1), 2, -1).sum(dim=(1, 3))
        return (halves[:, 0] - halves[:, 1]).to(self.weights.dtype)

    @property
    def block_qubits(self) -> int:
        """Qubits of each dense block."""
        return len(self._blocks[0].qubits)

    @property
    def block_count(self) -> int:
        """Dense blocks that the units are fused into."""
        return len(self._blocks)

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """The ZZ feature map's states (batch, 2**qubits); qubit 0 is the most significant bit of the index.

        Havlicek et al. (2019), one repetition, all pairs: H on each qubit, then ``P(2 x_i)`` on each and
        ``P(2 (pi - x_i)(pi - x_j))`` on the parity of each pair. All but H is diagonal, so the states are phases.
        """
        values = inputs.double()
        rest = pi - values
        first, second = torch.triu_indices(self.qubits, self.qubits, offset=1, device=values.device)
        angles = 2 * torch.cat([values, rest[:, first] * rest[:, second]], dim=1)
        phases = angles @ self._parities
        return torch.polar(torch.full_like(phases, 2 ** (-self.qubits / 2)), phases).to(self.dtype)

    def _block_matrices(self) -> torch.Tensor:
        """All blocks' unitaries (blocks, 2**k, 2**k), from all units' at once."""
        units = self._unit_matrices().view(-1, 1, 16)
        identity = torch.eye(4, dtype=self.dtype, device=units.device).view(1, 1, 16)
        size = 1 << self.block_qubits
        factors = (torch.cat([units, identity]) @ self._embedding).view(-1, size, size)[self._members]
        while factors.shape[1] > 1:
            factors = factors[:, 1::2] @ factors[:, 0::2]
        return factors[:, 0]

    def _unit_matrices(self) -> torch.Tensor:
        """All units' unitaries (units, 4, 4); qubit a is the more significant bit.

        ``[RZ_a(pi/2) CX(b,a)] RY_b(w2) CX(a,b) [RZ_a(w0) RY_b(w1)] CX(b,a) RZ_b(-pi/2)``, without the first bracket
        for pooling.
        """
        weights = self.weights.view(-1, 3)
        inner = _rz_ry(weights[:, 0], weights[:, 1])
        outer = _rz_ry(torch.zeros_like(weights[:, 2]), weights[:, 2])
        return (self._last @ outer @ self._middle) @ (inner @ self._first)


class _Block(NamedTuple):
    """Neighbouring units on a few qubits; ``members`` are indices of units, in order."""

    qubits: list[int]
    members: list[int]


def _fuse(units: list[Unit], size: int) -> list[_Block]:
    """Join units to blocks of exactly ``size`` qubits: each unit goes as early as its qubits and the size allow."""
    blocks: list[_Block] = []
    for index, unit in enumerate(units):
        pair = {unit.a, unit.b}
        touching = [place for place, block in enumerate(blocks) if pair & set(block.qubits)]
        for block in blocks[max(touching, default=0) :]:
            if len(pair | set(block.qubits)) <= size:
                block.qubits.extend(sorted(pair.difference(block.qubits)))
                block.members.append(index)
                break
        else:
            blocks.append(_Block([unit.a, unit.b], [index]))
    everyone = sorted({qubit for unit in units for qubit in (unit.a, unit.b)})
    for block in blocks:
        spare = [qubit for qubit in everyone if qubit not in block.qubits]
        block.qubits.extend(spare[: size - len(block.qubits)])
    return blocks


def _member_table(blocks: list[_Block], none: int) -> torch.Tensor:
    """The units of each block (blocks, length); ``none`` fills up to a power of two, so that they multiply in pairs."""
    longest = max(len(block.members) for block in blocks)
    length = 1 << (longest - 1).bit_length()
    return torch.tensor([block.members + [none] * (length - len(block.members)) for block in blocks])


def _embedding_table(units: list[Unit], blocks: list[_Block]) -> torch.Tensor:
    """Where a unit's 16 entries stand in its block's matrix, (units + 1, 16, 4**k), 0 or 1; the identity is last."""
    size = len(blocks[0].qubits)
    pairs = {member: block for block in blocks for member in block.members}
    places = [(pairs[i].qubits.index(unit.a), pairs[i].qubits.index(unit.b)) for i, unit in enumerate(units)] + [(0, 1)]
    return torch.stack([_embedding(size, a, b) for a, b in places])


def _embedding(size: int, a: int, b: int) -> torch.Tensor:
    index = torch.arange(1 << size)
    bit_a, bit_b = size - 1 - a, size - 1 - b
    local = 2 * (index >> bit_a & 1) + (index >> bit_b & 1)
    others = index & ~(1 << bit_a | 1 << bit_b)
    entries = 4 * local[:, None] + local
    embedding = torch.zeros(16, 1 << size, 1 << size)
    rows, columns = torch.nonzero(others[:, None] == others, as_tuple=True)
    embedding[entries[rows, columns], rows, columns] = 1
    return embedding.view(16, -1)


def _parity_table(qubits: int) -> torch.Tensor:
    """The value of each qubit, then the parity of each pair, in each basis state: float64 (terms, 2**qubits)."""
    bits = torch.arange(1 << qubits) >> torch.arange(qubits - 1, -1, -1)[:, None] & 1
    first, second = torch.triu_indices(qubits, qubits, offset=1)
    return torch.cat([bits, bits[first] ^ bits[second]]).double()


def _rz_ry(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """``RZ(z) x RY(y)`` for angles of shape (units,), as (units, 4, 4)."""
    cosine, sine = torch.cos(y / 2), torch.sin(y / 2)
    ry = torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 1, 2, 1, 2)
    half = z / 2
    rz = torch.polar(torch.ones(len(z), 2, dtype=z.dtype, device=z.device), torch.stack([-half, half], dim=1))
    return (torch.diag_embed(rz).view(-1, 2, 1, 2, 1) * ry).view(-1, 4, 4)


def _constants() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a unit: the gates before its first weight, between the inner and the outer weights, and after the last."""
    a_flips_b = torch.eye(4, dtype=torch.complex128)[[0, 1, 3, 2]]
    b_flips_a = torch.eye(4, dtype=torch.complex128)[[0, 3, 2, 1]]
    plus = torch.tensor(exp(0.25j * pi), dtype=torch.complex128)
    minus = plus.conj()
    # RZ(-pi/2) = diag(plus, minus), RZ(pi/2) = diag(minus, plus)
    on_b = torch.diag(torch.stack([plus, minus, plus, minus]))
    on_a = torch.diag(torch.stack([minus, minus, plus, plus]))
    return b_flips_a @ on_b, a_flips_b, on_a @ b_flips_a


_FIRST, _MIDDLE, _LAST = _constants()
