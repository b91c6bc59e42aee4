"""Layers of two-qubit units as dense blocks of a few qubits, by torch operations: what keeps a GPU busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from kernels.quantum.circuits.qcnn_units import Unit

# a dense block of so many qubits costs as little as its dispatch, and holds nine units where the circuit narrows
_BLOCK_QUBITS = 4


class DenseBlocks(torch.nn.Module):
    """Units fused into blocks, applied to batches of states."""

    _embedding: torch.Tensor
    _members: torch.Tensor

    def __init__(self, units: Sequence[Unit], qubits: int, dtype: torch.dtype) -> None:
        super().__init__()
        self._qubits = qubits
        self._blocks = _fuse(units, min(_BLOCK_QUBITS, qubits))
        self.register_buffer("_embedding", _embedding_table(units, self._blocks).to(dtype), persistent=False)
        self.register_buffer("_members", _member_table(self._blocks, none=len(units)), persistent=False)

    def forward(self, states: torch.Tensor, unitaries: torch.Tensor) -> torch.Tensor:
        """``<Z>`` of the last qubit, float64 (batch,), of states (batch, 2**qubits) after unitaries (units, 4, 4)."""
        samples, axes = len(states), list(range(self._qubits))
        for block, matrix in zip(self._blocks, self._matrices(unitaries), strict=True):
            # the block's qubits become the last axes and stay there: the order of the others matters to nobody
            order = [*(qubit for qubit in axes if qubit not in block.qubits), *block.qubits]
            states = states.view(-1, *(2,) * self._qubits).permute(0, *(1 + axes.index(qubit) for qubit in order))
            states = states.reshape(-1, len(matrix)) @ matrix.T
            axes = order
        shape = samples, 1 << axes.index(self._qubits - 1), 2, -1
        # summed in float64 without a copy in float64
        halves = torch.view_as_real(states).square().view(shape).sum(dim=(1, 3), dtype=torch.float64)
        return halves[:, 0] - halves[:, 1]

    def _matrices(self, unitaries: torch.Tensor) -> torch.Tensor:
        """All blocks' unitaries (blocks, 2**k, 2**k), from all units' at once."""
        identity = torch.eye(4, dtype=unitaries.dtype, device=unitaries.device).view(1, 1, 16)
        size = 1 << len(self._blocks[0].qubits)
        embedded = torch.cat([unitaries.reshape(-1, 1, 16), identity]) @ self._embedding.to(unitaries.dtype)
        factors = embedded.view(-1, size, size)[self._members]
        while factors.shape[1] > 1:
            factors = factors[:, 1::2] @ factors[:, 0::2]
        return factors[:, 0]


class _Block(NamedTuple):
    """Neighbouring units on a few qubits; ``members`` are indices of units, in order."""

    qubits: list[int]
    members: list[int]


def _fuse(units: Sequence[Unit], size: int) -> list[_Block]:
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


def _embedding_table(units: Sequence[Unit], blocks: list[_Block]) -> torch.Tensor:
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
