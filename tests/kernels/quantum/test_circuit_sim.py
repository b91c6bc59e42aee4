from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels import registry
from kernels.api import InputError, parse_parameters
from kernels.quantum.circuits import reference
from kernels.quantum.circuits.families import hardware_efficient
from kernels.quantum.planning.fusion import plan

KERNEL = registry.load("circuit_sim")

SHARE = """
import json
from mpi4py import MPI
from kernels import registry
kernel = registry.load("circuit_sim")
workload = kernel.prepare("torch", kernel.parameters(qubits=6, depth=2, batch=5), MPI.COMM_WORLD)
workload.step()
values = MPI.COMM_WORLD.gather(workload.expectations.tolist())
check = workload.verify()
if values:
    print(json.dumps([values, check.passed]))
"""


def prepare(backend: str, **values: Any) -> Any:
    missing = KERNEL.backends[backend].missing("cpu")
    if missing:
        pytest.skip(missing)
    return KERNEL.prepare(backend, parse_parameters(KERNEL, values))


# Qulacs computes in double precision only
CASES = [(backend, precision) for backend in KERNEL.backends for precision in ("single", "double")]
CASES.remove(("qulacs", "single"))


@pytest.mark.parametrize(("backend", "precision"), CASES)
def test_every_backend_passes_its_check(backend: str, precision: str):
    workload = prepare(backend, qubits=7, depth=3, batch=3, precision=precision)
    workload.step()
    check = workload.verify()
    assert check.passed, check
    assert check.error < (1e-6 if precision == "single" else 1e-13)


@pytest.mark.parametrize("family", ["qft", "ghz", "quantum_volume", "qcbm"])
@pytest.mark.parametrize("backend", KERNEL.backends)
def test_every_backend_simulates_every_family(backend: str, family: str):
    workload = prepare(backend, family=family, qubits=6, depth=2, batch=2)
    workload.step()
    assert workload.verify().error < 1e-13


@pytest.mark.parametrize("backend", KERNEL.backends)
def test_every_backend_simulates_a_file(backend: str, tmp_path: Path):
    pytest.importorskip("qiskit")
    gates = "".join(f"{name} q[0];" for name in ("x", "y", "z", "h", "s", "t", "sdg", "tdg", "sx", "id", "p(0.3)"))
    pairs = "".join(f"{name} q[1],q[3];" for name in ("cx", "cy", "cz", "ch", "cp(1)", "crx(2)", "cry(3)", "crz(4)"))
    path = tmp_path / "all.qasm"
    path.write_text(f"""OPENQASM 2.0; include "qelib1.inc"; qreg q[4];
        ry(0.5) q; {gates} {pairs} rzz(0.4) q[0],q[2]; swap q[0],q[3]; ccx q[0],q[1],q[2]; rx(1.1) q; """)
    workload = prepare(backend, family="qasm", file=str(path), qubits=4, batch=1)
    workload.step()
    assert workload.verify().error < 1e-13


@pytest.mark.parametrize("qubits", [1, 2, 3])
@pytest.mark.parametrize("backend", KERNEL.backends)
def test_every_backend_simulates_a_small_file(backend: str, qubits: int, tmp_path: Path):
    pytest.importorskip("qiskit")
    path = tmp_path / "small.qasm"
    chain = "".join(f"cx q[{qubit}],q[{qubit + 1}];" for qubit in range(qubits - 1))
    path.write_text(f'OPENQASM 2.0; include "qelib1.inc"; qreg q[{qubits}]; ry(0.7) q; {chain} rx(0.2) q[0];')
    values = {"family": "qasm", "file": str(path), "qubits": qubits, "batch": 1}
    KERNEL.check(parse_parameters(KERNEL, values), 1)
    workload = prepare(backend, **values)
    workload.step()
    assert workload.verify().error < 1e-13


@pytest.mark.parametrize("family", ["hardware_efficient", "qft", "ghz", "qcbm"])
def test_one_qubit_is_a_circuit_too(family: str):
    workload = prepare("torch", family=family, qubits=1, depth=2, batch=5)
    workload.step()
    assert workload.verify().error < 1e-13


@pytest.mark.parametrize(("gradient", "simulations"), [("none", 256), ("adjoint", 16 * 2 * 3)])
def test_the_check_of_a_large_batch_is_bounded(gradient: str, simulations: int, monkeypatch: pytest.MonkeyPatch):
    workload = prepare("torch", qubits=2, depth=1, batch=600, gradient=gradient, seed=11)
    workload.step()
    calls = []
    simulate = reference.simulate
    monkeypatch.setattr(reference, "simulate", lambda *arguments: calls.append(1) or simulate(*arguments))
    assert workload.verify().passed
    assert len(calls) == simulations


@pytest.mark.parametrize("backend", ["torch", "lightning"])
@pytest.mark.parametrize("family", ["hardware_efficient", "qft", "quantum_volume"])
def test_gradients_pass_their_check(backend: str, family: str):
    workload = prepare(backend, family=family, gradient="adjoint", qubits=5, depth=2, batch=2)
    workload.step()
    assert workload.verify().error < 1e-12
    workload.derivatives[1, 0] += 1e-7
    assert not workload.verify().passed


def test_a_peer_that_cannot_differentiate_says_so():
    with pytest.raises(InputError, match="backend aer takes gradient=none, not adjoint"):
        prepare("aer", gradient="adjoint")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"family": "qasm"}, "parameter file: found ''; right would be a path if family=qasm"),
        ({"file": "x.qasm"}, "parameter file: found 'x.qasm'"),
        ({"family": "qasm", "file": "nowhere.qasm"}, "nowhere.qasm: no such file"),
        ({"gradient": "adjoint", "distribution": "state"}, "right would be gradient=none, or distribution=samples"),
    ],
)
def test_files_and_families_that_do_not_fit_are_refused(values: dict[str, str], message: str):
    with pytest.raises(InputError, match=message):
        KERNEL.check(parse_parameters(KERNEL, values), 1)


def test_a_file_of_other_qubits_is_refused_with_the_option_that_is_right(tmp_path: Path):
    pytest.importorskip("qiskit")
    path = tmp_path / "five.qasm"
    path.write_text('OPENQASM 2.0; include "qelib1.inc"; qreg q[5]; h q;')
    with pytest.raises(InputError, match=r"five\.qasm: has 5 qubits, not 16; right would be --set qubits=5"):
        KERNEL.check(KERNEL.parameters(family="qasm", file=str(path)), 1)


@pytest.mark.parametrize("circuit", [0, 2])
def test_the_check_sees_one_wrong_circuit(circuit: int):
    workload = prepare("torch", qubits=4, batch=3)
    workload.step()
    workload.expectations[circuit, 1] += 1e-9
    assert not workload.verify().passed


def test_the_check_fails_before_the_first_step():
    assert not prepare("torch", qubits=4, batch=1).verify().passed


def test_two_ranks_share_the_batch(on_two_ranks: Callable[[str], str]):
    shares, passed = json.loads(on_two_ranks(SHARE))
    alone = prepare("torch", qubits=6, depth=2, batch=5)
    alone.step()
    assert [len(share) for share in shares] == [3, 2]
    assert passed
    np.testing.assert_allclose(np.concatenate(shares), alone.expectations, atol=1e-14, rtol=0)


def test_work_counts_gates_of_all_layers_but_the_first():
    work = prepare("torch", qubits=8, depth=3, batch=2, precision="single").work()
    # sixteen RY in two layers; how many sweeps and diagonals they take is the plan's affair
    steps = [step for sweep in plan(hardware_efficient(8, 3)).sweeps for step in sweep.steps]
    assert sum(len(step.turns) for step in steps) == 16
    # the last of up to three turns makes up for the cosines of all
    last = sum(-(-len(step.turns) // 3) for step in steps)
    assert work.flops == 2 * 2**8 * (16 * 4 + last * 2 + len(steps) * 6 + 11)
    assert work.memory_bytes == 2 * 2**8 * 8 * (2 * len(plan(hardware_efficient(8, 3)).sweeps) + 2)
    assert (work.items, work.item) == (2, "circuit")


def test_fewer_circuits_than_ranks_are_refused():
    with pytest.raises(InputError, match=r"parameter batch: 1 cannot be divided over 2 ranks; right would be"):
        KERNEL.check(KERNEL.parameters(batch=1), 2)


def test_weak_scaling_keeps_the_circuits_of_a_rank():
    assert KERNEL.grow(KERNEL.parameters(batch=3), 4).batch == 12


def test_qulacs_refuses_single_precision():
    with pytest.raises(InputError, match="backend qulacs takes precision=double, not single"):
        prepare("qulacs", precision="single")
