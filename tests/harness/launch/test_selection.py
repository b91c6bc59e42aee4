"""Which cases a command line asks for."""

from pathlib import Path

import pytest

from harness.launch.selection import find_sweeps
from kernels.api import InputError

FILE = """
name = "both"
[[cases]]
kernel = "circuit_sim"
backend = ["torch", "aer"]
set.qubits = [4, 5]
[[cases]]
kernel = "qcnn_layer"
backend = "torch"
[[cases]]
kernel = "nothing"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "both.toml"
    path.write_text(FILE)
    return str(path)


def cases(path: str, *backends: str) -> list[str]:
    (sweep,) = find_sweeps((path,), list(backends) or None, {}, "cpu", None)
    assert sweep.name == "both"
    return [f"{item.case.kernel} {item.case.backend}" for item in sweep.cases]


def test_backends_choose_among_the_cases_of_a_file(path: str) -> None:
    assert cases(path, "torch") == ["circuit_sim torch"] * 2 + ["qcnn_layer torch"]
    # the third group names none: all of its kernel
    assert cases(path, "aer", "python") == ["circuit_sim aer"] * 2 + ["nothing python"]
    assert sorted(cases(path)) == sorted([*cases(path, "torch"), *cases(path, "aer", "python")])


def test_a_backend_that_no_case_of_the_file_has_is_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"both.toml: no case of backend 'lightning'.*torch, aer, python"):
        cases(path, "torch", "lightning")


def test_a_file_says_parameters_and_its_name_itself(path: str) -> None:
    with pytest.raises(InputError, match="--set, --device and --name go with kernels"):
        find_sweeps((path,), None, {"qubits": "4"}, "cpu", None)
