"""One case on the ranks that are here, as an image runs it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

from harness.case import Scale
from harness.measure import limits
from harness.measure.direct import find_stack
from harness.measure.environment import describe
from harness.store.record import Stack
from kernels.api import Work


@pytest.fixture
def direct(tmp_path, monkeypatch):
    """Measure a case in a process of its own; returns its record."""
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path / "data"))

    def run(*arguments):
        command = [sys.executable, "-m", "harness.measure.direct", *arguments, "--results", str(tmp_path)]
        done = subprocess.run([*command, "--budget-s", "0.02"], capture_output=True, text=True, check=True, timeout=200)
        return json.loads(done.stdout)

    return run


def test_mpi_is_started_without_locks_for_threads_that_nobody_needs(direct):
    assert direct("nothing")["environment"]["mpi"]["thread_level"] == "funneled"


def test_limits_are_those_of_the_kept_calibration_or_none(direct, tmp_path, monkeypatch):
    case = ("allreduce", "--set", "message_bytes=65536")
    found = direct(*case)
    assert found["limits"] == {}
    assert found["calibration"].startswith("not calibrated: ")
    assert not (tmp_path / "calibration").exists()
    monkeypatch.setattr(limits, "_ROUNDS", 1)
    here = limits.LaunchLimits(tmp_path, MPI.COMM_SELF, Scale(), Stack(), describe(MPI.COMM_SELF, {}, {}))
    here.find(Work(items=1, item="step", flops=1.0), "cpu")
    # in an image the base's calibration counts
    monkeypatch.setenv(limits.BASE, "cpu@sha256:0123456789abcdef")
    assert direct(*case)["limits"] == {}
    monkeypatch.delenv(limits.BASE)
    found = direct(*case)
    assert found["limits"]["memory_s"] > 0
    assert found["calibration"].startswith("calibrated 2")


def test_several_backends_print_a_record_each():
    named = ["--backend", "mpi4py", "--backend", "tuned", "--budget-s", "0.02"]
    command = [sys.executable, "-m", "harness.measure.direct", "allreduce", *named, "--set", "message_bytes=64"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout
    first, end = json.JSONDecoder().raw_decode(told)
    second = json.loads(told[end:])
    assert [record["case"]["backend"] for record in (first, second)] == ["mpi4py", "tuned"]


def test_a_backend_that_is_not_there_is_a_bad_question():
    command = [sys.executable, "-m", "harness.measure.direct", "nothing", "--backend", "fortran"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "no backend 'fortran'; right would be: python" in done.stderr


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [("raise", 1, "the step went wrong"), ("input", 2, "scalemark: data.bin: found nothing")],
)
def test_one_of_several_ranks_that_fails_ends_all(with_faulty, tmp_path, fault, code, said):
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    program = [sys.executable, "-m", "harness.measure.direct", "faulty", "--results", str(tmp_path)]
    command = [mpiexec, "-n", "2", *program, "--set", f"fault={fault}", "--set", "rank=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"])
def test_ranks_whose_launcher_asked_for_more_are_no_measurement(monkeypatch, name):
    monkeypatch.setenv(name, "2")
    done = subprocess.run(
        [sys.executable, "-m", "harness.measure.direct", "nothing"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    # mpi4py warns of Open MPI's variables by itself
    assert done.stderr.splitlines()[-1].startswith(f"scalemark: asked for 2 ranks ({name}), but MPI counted 1: ")


def test_an_image_is_known_by_its_content_where_its_file_is_seen(tmp_path):
    assert find_stack({}) == Stack()
    (tmp_path / "nothing.sif").write_bytes(b"an image")
    path = str(tmp_path / "nothing.sif")
    sha256 = hashlib.sha256(b"an image").hexdigest()
    assert find_stack({"APPTAINER_CONTAINER": path}) == Stack(name="nothing.sif", sha256=sha256, path=path)
    unseen = find_stack({"APPTAINER_CONTAINER": "/not/seen/nothing.sif"})
    assert unseen.name == "nothing.sif (its file is not seen from inside: no SHA-256)"
    assert not unseen.is_tree
