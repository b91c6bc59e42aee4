from __future__ import annotations

from pathlib import Path

import pytest

from harness import case
from harness.case import CaseGroup, Scale, SweepFile, expand, read_sweep
from kernels.api import InputError

pytestmark = pytest.mark.usefixtures("with_faulty")


def make_file(**fields: object) -> SweepFile:
    group = CaseGroup(kernel="nothing", set={"index": [1, 2, 3]})
    return SweepFile(**{"name": "some", "cases": (group,), **fields})


def test_lists_are_crossed_with_scales() -> None:
    sweep = expand(make_file(nodes=(1, 2), ranks_per_node=(1, 4)))
    found = {(item.case.parameters["index"], item.case.scale) for item in sweep.cases}
    assert found == {(i, Scale(n, r, 1)) for i in (1, 2, 3) for n in (1, 2) for r in (1, 4)}


def test_a_case_id_is_the_same_tomorrow_and_tells_cases_apart() -> None:
    ids = [item.case.id for item in expand(make_file(ranks_per_node=(1, 2))).cases]
    assert len(set(ids)) == 6
    assert "nothing.python.n1r2t1.29219e41" in ids


def test_two_cases_of_one_id_are_refused_for_one_would_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "_digest", lambda parameters: "00000000")
    group = CaseGroup(kernel="nothing", set={"index": [1, 1]})
    assert len(expand(SweepFile(name="s", cases=(group,))).cases) == 1
    with pytest.raises(InputError, match="00000000 is the id of two cases"):
        expand(SweepFile(name="s", cases=(CaseGroup(kernel="nothing", set={"index": [1, 2]}),)))


def test_a_default_written_out_is_the_same_case() -> None:
    silent = expand(make_file(cases=(CaseGroup(kernel="faulty", backend="python"),)))
    spoken = expand(make_file(cases=(CaseGroup(kernel="faulty", backend="python", set={"step_s": 0.001}),)))
    assert silent.cases == spoken.cases


def test_weak_scaling_grows_the_problem_and_keeps_the_series() -> None:
    group = CaseGroup(kernel="qcnn_layer", backend="torch", set={"batch": 32})
    sweep = expand(make_file(mode="weak", ranks_per_node=(1, 2, 4), cases=(group,)))
    assert [item.case.parameters["batch"] for item in sweep.cases] == [32, 64, 128]
    assert len({item.series for item in sweep.cases}) == 1


def test_a_backend_nobody_named_that_cannot_run_is_left_out_with_its_reason() -> None:
    sweep = expand(make_file(cases=(CaseGroup(kernel="faulty"),)))
    assert {item.case.backend for item in sweep.cases} == {"python"}
    assert sweep.left_out == ["faulty on absent: needs a machine that nobody has"]


def test_what_a_backend_does_not_take_is_left_out_with_the_reason() -> None:
    group = CaseGroup(
        kernel="circuit_sim", backend=["torch", "qulacs"], set={"precision": ["single", "double"], "qubits": [4, 5]}
    )
    sweep = expand(make_file(cases=(group,)))
    found = [(item.case.backend, item.case.parameters["precision"]) for item in sweep.cases]
    assert sorted(set(found)) == [("qulacs", "double"), ("torch", "double"), ("torch", "single")]
    assert sweep.left_out == ["circuit_sim on qulacs: takes precision=double, not single"]


def test_a_sweep_of_which_nothing_remains_is_refused() -> None:
    group = CaseGroup(kernel="circuit_sim", backend="aer", set={"gradient": "adjoint"})
    with pytest.raises(InputError, match=r"^circuit_sim on aer: takes gradient=none, not adjoint$"):
        expand(make_file(cases=(group,)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 'a'\ncases = [", ["not TOML"]),
        ("name = 'a'", ["cases"]),
        ("name = 'a/b'\n[[cases]]\nkernel = 'nothing'", ["name", "'a/b'"]),
        ("name = 'a'\nrepeats = 0\n[[cases]]\nkernel = 'nothing'", ["repeats", ">= 1"]),
        (
            "name = 'a'\nrepeat = 1\n[[cases]]\nkernel = 'nothing'",
            ["unknown field", "did you mean 'repeats'", "budget_s"],
        ),
        ("name = 'a'\n[[cases]]\nkernal = 'nothing'", ["cases[0].kernal", "did you mean 'kernel'", "ranks_per_node"]),
        ("name = 'a'\nmode = 'week'\n[[cases]]\nkernel = 'a'", ["mode: found 'week'; did you mean 'weak'", "none"]),
        ("name = 'a'\n[[cases]]\nkernel = 'a'\ndevice = 'tpu'", ["cases[0].device: found 'tpu'", "cpu, cuda"]),
        ("name = 'a'\n[[cases]]\nkernel = 'allreduc'", ["cases[0]", "did you mean 'allreduce'", "quantum_pde"]),
        (
            "name = 'a'\n[[cases]]\nkernel = 'nothing'\nbackend = 'pyton'",
            ["cases[0]", "did you mean 'python'? right would be: python"],
        ),
        ("name = 'a'\n[[cases]]\nkernel = 'nothing'\nset.indx = 1", ["cases[0]", "indx", "index"]),
        ("name = 'a'\n[[cases]]\nkernel = 'nothing'\nset.index = 'x'", ["cases[0]", "index", "'x'", "int"]),
        (
            "name = 'a'\n[[cases]]\nkernel = 'faulty'\nbackend = 'python'\nset.fault = 'hung'",
            ["parameter fault: found 'hung'; did you mean 'hang'? right would be: ", "exit, hang, "],
        ),
        ("name = 'a'\n[[cases]]\nkernel = 'nothing'\nset.index = -1", ["cases[0]", "index", ">= 0", "-1"]),
        ("name = 'a'\n[[cases]]\nkernel = 'faulty'\nbackend = 'python'\nset.rank = 1", ["cases[0]", "rank"]),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        expand(read_sweep(path), str(path))
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such\\.toml: No such file"):
        read_sweep(tmp_path / "no-such.toml")
