"""OpenQASM 2 files as circuits, parsed by Qiskit's loader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kernels.api import InputError
from kernels.declaring import needs
from kernels.quantum.circuits.circuit import Circuit, Gate
from kernels.quantum.circuits.gates import KINDS

# gates that Qiskit's loader knows under another name
_SYNONYMS = {"u1": "p", "cu1": "cp"}
_IGNORED = {"barrier", "measure"}


def load(path: str | Path) -> Circuit:
    """The circuit of an OpenQASM 2 file. Gates not in `KINDS` are broken into CNOTs and rotations, up to a phase.

    Measurements at the end and barriers are left out. Raises `InputError` naming the line where the file is at fault,
    the instruction that is no gate, or the extra that brings Qiskit.
    """
    absent = needs("qiskit", extra="peers")("cpu")
    if absent:
        raise InputError(f"{path}: reading OpenQASM {absent}")
    from qiskit import qasm2, transpile

    try:
        source = qasm2.load(path, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; right would be an OpenQASM 2 file") from error
    except (qasm2.QASM2ParseError, OSError, UnicodeDecodeError) as error:
        raise InputError(_fault(path, str(error))) from error
    if any(name not in {*KINDS, *_SYNONYMS, *_IGNORED} for name in source.count_ops()):
        _refuse_classical(path, source)
        source = transpile(source, basis_gates=list(KINDS), optimization_level=0)
    return Circuit(source.num_qubits, tuple(_gates(path, source)))


def _fault(path: str | Path, message: str) -> str:
    # Qiskit says "FILE:LINE,COLUMN: REASON", in quotes
    found = re.search(r":(\d+),\d+: (.*)", message.strip("'\""))
    return f"{path}: line {found[1]}: {found[2]}" if found else f"{path}: {message}"


def _refuse_classical(path: str | Path, source: Any) -> None:
    for instruction in source.data:
        name = instruction.operation.name
        if (instruction.clbits and name != "measure") or name in ("reset", "if_else"):
            raise InputError(f"{path}: found {name}; right would be gates and measurements at the end only")


def _gates(path: str | Path, source: Any) -> list[Gate]:
    gates = []
    measured: set[int] = set()
    for instruction in source.data:
        operation = instruction.operation
        name = _SYNONYMS.get(operation.name, operation.name)
        qubits = tuple(source.find_bit(bit).index for bit in instruction.qubits)
        if name == "measure":
            measured.update(qubits)
        elif name != "barrier":
            if getattr(operation, "condition", None) or measured.intersection(qubits):
                raise InputError(
                    f"{path}: found {name} after a measurement; right would be measurements at the end only"
                )
            gates.append(Gate(name, qubits, float(operation.params[0]) if operation.params else None))
    return gates
