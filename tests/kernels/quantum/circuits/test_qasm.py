from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.api import InputError
from kernels.quantum.circuits.qasm import load
from kernels.quantum.circuits.reference import simulate

pytest.importorskip("qiskit")

HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
GATES = """qreg q[3]; qreg r[2]; creg c[3];
gate pair(a) x,y { rx(a/2) x; cx x,y; u3(a,0.1,pi) y; }
h q; pair(0.3) q[0],r[1]; ccx q[0],q[1],r[0]; u2(0,pi) q[1];
cswap q[0],q[1],q[2]; cu1(0.4) q[0],q[2]; u1(0.2) q[1]; crz(0.7) r[0],q[1]; sdg r[1];
barrier q; measure q -> c;
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "circuit.qasm"
    path.write_text(text)
    return path


def test_a_file_is_the_state_that_qiskit_makes_of_it(tmp_path: Path):
    from qiskit import qasm2
    from qiskit.quantum_info import Statevector

    path = write(tmp_path, HEADER + GATES)
    peer = qasm2.load(path, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    peer.remove_final_measurements()
    right = Statevector(peer).data
    state = simulate(load(path)).numpy()
    assert abs(np.vdot(right, state)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qreg q[2];\nh q[5];\n", "circuit.qasm: line 4: index 5 is out-of-range for register 'q' of size 2"),
        ("qreg q[2];\nh q[0]\n", "circuit.qasm: line"),
        ("qreg q[1]; creg c[1];\nmeasure q -> c;\nh q[0];\n", "found h after a measurement"),
        ("qreg q[1]; creg c[1];\nmeasure q -> c;\nif (c==1) x q[0];\n", "found if_else"),
        ("qreg q[1];\nreset q[0];\n", "found reset; right would be gates and measurements at the end only"),
    ],
)
def test_a_bad_file_is_refused_in_a_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, HEADER + text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file; right would be an OpenQASM 2 file"):
        load(tmp_path / "none.qasm")
