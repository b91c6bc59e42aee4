"""What a shell is offered: names that begin so, and never anything that takes seconds to know."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.store import baselines
from harness.store.write import write_record
from harness.workflow import completion
from kernels import registry


@pytest.fixture
def here(tmp_path, monkeypatch, make_case, make_record):
    """A working directory with two results folders, one with a baseline, a packed file and a folder of other things."""
    monkeypatch.chdir(tmp_path)
    for name in ("results", "reference", "campaign/first"):
        write_record(tmp_path / name, make_record(make_case()))
    baselines.save(tmp_path / "results", "main", ["trial"])
    (tmp_path / "old.parquet").touch()
    (tmp_path / "osu.txt").touch()
    return tmp_path


def values(items):
    return [item.value for item in items if item.type == "plain"]


def test_backends_of_all_named_kernels_and_after_a_comma_the_last_one():
    assert completion.backends(["allreduce"], "mpi") == ["mpi4py", "mpi"]
    assert "torch" in completion.backends(["allreduce", "qcnn_layer"], "")
    assert completion.backends(["allreduce"], "mpi4py,gl") == ["mpi4py,gloo"]
    assert completion.backends(["absent", "--set"], "") == []
    # of a sweep's kernels
    assert completion.backends(["quantum"], "qu") == ["qulacs"]


def test_parameters_come_with_their_default_or_every_choice():
    assert completion.settings(["allreduce"], "d") == ["dtype=float32", "dtype=float64"]
    default = registry.load("allreduce").parameters().message_bytes
    assert completion.settings(["allreduce"], "message") == [f"message_bytes={default}"]


def test_sweeps_baselines_and_cases_are_those_of_the_results(here, make_case):
    assert completion.sweeps(here / "results", "t") == ["trial"]
    assert completion.baselines(here / "results", "") == ["main"]
    assert completion.cases(here / "results", "trial", "inv") == [make_case().id]
    nowhere = here / "nowhere"
    assert (
        completion.sweeps(nowhere, "")
        == completion.baselines(nowhere, "")
        == completion.cases(nowhere, "trial", "")
        == []
    )


def test_what_a_sweep_may_be_of():
    assert values(completion.what("local_")) == ["local_strong", "local_weak"]
    assert values(completion.what("allr"))[0] == "allreduce"
    (item,) = completion.what("mine.to")
    assert (item.type, item.value) == ("file", "mine.to")


def test_a_side_is_a_baseline_a_results_folder_a_packed_file_or_left_to_the_shell(here):
    results = here / "results"
    assert values(completion.sides(results, "@m")) == ["@main"]
    assert values(completion.sides(results, "")) == ["@main", "old.parquet", "reference", "results"]
    assert values(completion.sides(results, "re")) == ["reference", "results"]
    assert values(completion.sides(results, "campaign/f")) == ["campaign/first"]
    # other tools' files, and folders that may hold results
    assert [item.type for begun in ("o", "osu", "camp") for item in completion.sides(results, begun)] == ["file"] * 3


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from harness.workflow import completion; from kernels import registry\n"
        "completion.backends(registry.names(), ''); completion.settings(registry.names(), '')\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
