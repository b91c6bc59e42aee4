"""The quantum convolutional network as a ``torch.nn.Module``, batched over samples, its gates in two-qubit units.

Its units are those of `circuits.qcnn_units`. The input enters through a feature map of Havlicek et al., Nature
567, 209 (2019).
"""

from __future__ import annotations

from cmath import exp
from collections.abc import Sequence
from math import pi

import numpy as np
import torch

from kernels.api import InputError
from kernels.quantum.circuits.qcnn_units import Unit, count_flops, layer_units
from kernels.quantum.engine.statevector import DTYPES
from kernels.quantum.qcnn.blocks import DenseBlocks
from kernels.quantum.qcnn.units import ApplyUnits

# feature maps: phases of the inputs alone, or of their pairs too
ENCODINGS = ("zz", "z")

# the table of phases takes 0.4 GB, and thrice as much while it is made; each further qubit more than doubles it
MOST_QUBITS = 18


class QCNN(torch.nn.Module):
    """From inputs of shape (batch, qubits) to ``<Z>`` of the last qubit, shape (batch,), in [-1, 1].

    ``weights`` are three angles in radians for each of `layer_units`, 63 for eight qubits, drawn from ``[0, 2 pi)``
    with torch's generator. ``precision`` "single" computes in complex64 and float32, "double" in complex128 and
    float64, and stays: a module cast to another refuses to run. ``units`` other than `layer_units` make another
    network, which is read from the last qubit too. Gradients flow to the weights and to the inputs, and can be
    differentiated again: on the CPU, ``create_graph=True`` takes torch operations in the place of compiled loops, which
    is slower. Raises `InputError` unless there are 2 to `MOST_QUBITS` qubits, and for an unknown precision or encoding.
    """

    _pairs: torch.Tensor
    _parities: torch.Tensor
    _first: torch.Tensor
    _middle: torch.Tensor
    _last: torch.Tensor

    def __init__(
        self, qubits: int = 8, precision: str = "single", units: Sequence[Unit] | None = None, encoding: str = "zz"
    ) -> None:
        super().__init__()
        if not isinstance(qubits, int | np.integer) or not 2 <= qubits <= MOST_QUBITS:
            raise InputError(f"QCNN: found qubits={qubits!r}; right would be an integer from 2 to {MOST_QUBITS}")
        for name, found, right in (("precision", precision, DTYPES), ("encoding", encoding, ENCODINGS)):
            if found not in right:
                raise InputError(f"QCNN: found {name}={found!r}; right would be one of {', '.join(right)}")
        self.qubits = qubits
        self.dtype = DTYPES[precision]
        units = layer_units(qubits) if units is None else list(units)
        self.weights = torch.nn.Parameter(2 * pi * torch.rand(3 * len(units), dtype=self.dtype.to_real()))
        self._blocks = DenseBlocks(units, qubits, self.dtype)
        self._bits = np.array([(qubits - 1 - unit.a, qubits - 1 - unit.b) for unit in units])
        pairs = (
            torch.triu_indices(qubits, qubits, offset=1) if encoding == "zz" else torch.empty(2, 0, dtype=torch.long)
        )
        tables = {
            "_pairs": pairs,
            "_parities": _parity_table(qubits, pairs),
            "_first": self._reals(_FIRST),
            "_middle": self._reals(_MIDDLE),
            "_last": self._reals(torch.stack([torch.eye(4) if unit.pools else _LAST for unit in units])),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``<Z>`` of the last qubit; raises `InputError` unless inputs have shape (batch, qubits)."""
        if inputs.dim() != 2 or inputs.shape[1] != self.qubits:
            raise InputError(f"QCNN: found inputs {tuple(inputs.shape)}; right would be (batch, {self.qubits})")
        return self.read(self.encode(inputs))

    def read(self, states: torch.Tensor) -> torch.Tensor:
        """``<Z>`` of the last qubit, (batch,), after the units have acted on states (batch, 2**qubits) of `encode`.

        Whoever trains on the same inputs again and again encodes them once. Raises `InputError` for states of another
        shape or dtype: compiled loops write where these say.
        """
        self._check_cast()
        if states.dim() != 2 or states.shape[1] != 1 << self.qubits or states.dtype != self.dtype:
            raise InputError(
                f"QCNN: found states {tuple(states.shape)} of {states.dtype}; "
                f"right would be (batch, {1 << self.qubits}) of {self.dtype}"
            )
        unitaries = self._unit_matrices()
        on_cpu = states.device.type == "cpu"
        same = self._blocks
        values = ApplyUnits.apply(states, unitaries, self._bits, same) if on_cpu else same(states, unitaries)
        return values.to(self.weights.dtype)

    def count_flops(self, samples: int, gradient: bool) -> int:
        """Of `read`; see `circuits.qcnn_units.count_flops`."""
        return count_flops(len(self._bits), self.qubits, samples, gradient)

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """The feature map's states (batch, 2**qubits); qubit 0 is the most significant bit of the index.

        Havlicek et al. (2019), one repetition: H on each qubit, then ``P(2 x_i)`` on each and, with the ZZ encoding,
        ``P(2 (pi - x_i)(pi - x_j))`` on the parity of each pair. All but H is diagonal, so the states are phases.
        """
        self._check_cast()
        values = inputs.double()
        first, second = pi - values[:, self._pairs[0]], pi - values[:, self._pairs[1]]
        angles = 2 * torch.cat([values, first * second], dim=1)
        phases = angles @ self._parities
        # a turn less or more changes nothing, and small angles lose nothing in float32
        phases = (phases - 2 * pi * torch.round(phases / (2 * pi))).to(self.weights.dtype)
        # torch's polar takes one entry after another
        return 2 ** (-self.qubits / 2) * torch.complex(torch.cos(phases), torch.sin(phases))

    def _reals(self, table: torch.Tensor) -> torch.Tensor:
        # of a complex buffer Module.to(torch.float64) drops the imaginary part
        return torch.view_as_real(table.to(self.dtype))

    def _check_cast(self) -> None:
        # tables do not become more precise
        found, right = self.weights.dtype, self.dtype.to_real()
        if found != right:
            other = "double" if self.dtype == DTYPES["single"] else "single"
            raise InputError(f"QCNN: found weights cast to {found}; right would be {right}, or precision={other!r}")

    def _unit_matrices(self) -> torch.Tensor:
        """All units' unitaries (units, 4, 4); qubit a is the more significant bit.

        ``[RZ_a(pi/2) CX(b,a)] RY_b(w2) CX(a,b) [RZ_a(w0) RY_b(w1)] CX(b,a) RZ_b(-pi/2)``, without the first bracket
        for pooling.
        """
        weights = self.weights.view(-1, 3)
        inner = _rz_ry(weights[:, 0], weights[:, 1])
        outer = _rz_ry(torch.zeros_like(weights[:, 2]), weights[:, 2])
        first, middle, last = map(torch.view_as_complex, (self._first, self._middle, self._last))
        return (last @ outer @ middle) @ (inner @ first)


def _parity_table(qubits: int, pairs: torch.Tensor) -> torch.Tensor:
    """The value of each qubit, then the parity of each pair, in each basis state: float64 (terms, 2**qubits)."""
    bits = torch.arange(1 << qubits) >> torch.arange(qubits - 1, -1, -1)[:, None] & 1
    return torch.cat([bits, bits[pairs[0]] ^ bits[pairs[1]]]).double()


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
