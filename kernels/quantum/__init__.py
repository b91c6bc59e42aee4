"""State vectors, quantum neural networks and the kernels that measure them.

``from kernels.quantum import QCNN`` gives the quantum convolutional network as a ``torch.nn.Module``.

Where to look; a room uses only those above it, and `studies` uses all:

- `circuits`: `gates` (their matrices), `circuit`, `families`, `encodings`, `qasm` (files), `qcnn_units` (a QCNN's units
  as gates), `observables`, `precisions`, `arrays` (their kinds), and `reference`, which simulates gate by gate and
  shares nothing with what follows;
- `planning`: `primitives` (what gates are made of), `steps` (what one sweep takes), `layouts` (orders of qubits and
  maps of addresses), `fusion` (a circuit as sweeps);
- `loops`, compiled: `lanes` (SIMD), `lines` (blocks of cache lines), `tiles` (memory to cache and back), `turns`
  (rotations), `sweep`, `adjoint` (a sweep undone), `binding` (angles to numbers), `batched` (whole small circuits);
- `engine`: `threads`, `binding` (a plan and angles to what the loops take), `executors` (sweeps on CPU or GPU),
  `batched` (small circuits), `adjoint` (gradients), `statevector` (`Simulator`, which chooses);
- `distributed`, one state over ranks: `frame` (which address bits hold which qubits), `plan` (legs), `simulator`;
- `qcnn`: `blocks` (torch operations), `loops` and `units` (compiled loops as a function of torch), `module` (`QCNN`),
  `reference`;
- the kernels: `circuit_sim` and `qcnn_layer`, each with a workload, ``circuit_peers`` and ``qcnn_peers``, and
  `distributed_workload`; `availability` says what is missing for a backend.

Words:

- row, column: a state's address is a row's number, its high bits, above a column's; a sweep rotates rows' bits;
- tile: a few columns of all rows, as many as stay in cache;
- line: the amplitudes of one cache line; skew: how a line's neighbours change places on the way to memory;
- lane: one number of a SIMD vector; a sample of its own where small circuits run in a batch;
- turn: an RY as addresses see it, CNOTs included; step: turns that leave each other alone, then phases;
- sweep: one pass of the state through memory, some steps and a permutation;
- head: what the rank bits do before the ranks part; leg: what ranks do between two exchanges.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
    from kernels.quantum.engine.statevector import Simulator
    from kernels.quantum.qcnn.module import QCNN

__all__ = ["QCNN", "Circuit", "Gate", "Parameter", "Simulator"]

_HOMES = {
    "QCNN": "qcnn.module",
    "Circuit": "circuits.circuit",
    "Gate": "circuits.circuit",
    "Parameter": "circuits.circuit",
    "Simulator": "engine.statevector",
}


def __getattr__(name: str) -> Any:
    # torch takes more than a second to import: only those who use it wait for it
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
