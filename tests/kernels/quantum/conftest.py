"""What the tests of the quantum kernels share: random circuits and real ranks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from kernels.quantum.circuits.circuit import Circuit, Gate
from kernels.quantum.circuits.gates import KINDS
from kernels.quantum.engine.statevector import Simulator


@st.composite
def circuits(draw: st.DrawFn, most_qubits: int = 7, most_gates: int = 40) -> Circuit:
    """Circuits of every kind of gate, with fixed angles."""
    qubits = draw(st.integers(2, most_qubits))

    @st.composite
    def gates(draw: st.DrawFn) -> Gate:
        name = draw(st.sampled_from([name for name in sorted(KINDS) if KINDS[name].qubits <= qubits]))
        places = draw(st.permutations(range(qubits)))[: KINDS[name].qubits]
        return Gate(name, tuple(places), draw(st.floats(-7, 7)) if KINDS[name].has_angle else None)

    return Circuit(qubits, tuple(draw(st.lists(gates(), max_size=most_gates))))


@pytest.fixture(scope="session")
def random_circuits() -> Callable[..., st.SearchStrategy[Circuit]]:
    return circuits


class _SweepingSimulator(Simulator):
    def _takes_lanes(self, batch: int) -> bool:
        return False


@pytest.fixture(scope="session")
def sweeping() -> type[Simulator]:
    """The simulator that sweeps circuits of every size, also those that would take SIMD lanes."""
    return _SweepingSimulator


@pytest.fixture(scope="session")
def on_ranks() -> Callable[[int, str], str]:
    """Run Python source on so many MPI ranks; returns what they print."""

    def run(ranks: int, source: str) -> str:
        mpiexec = str(Path(sys.executable).with_name("mpiexec"))
        command = [mpiexec, "-n", str(ranks), sys.executable, "-c", source]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout

    return run


@pytest.fixture
def on_two_ranks(on_ranks: Callable[[int, str], str]) -> Callable[[str], str]:
    """Run Python source on two MPI ranks; returns what they print."""
    return lambda source: on_ranks(2, source)
