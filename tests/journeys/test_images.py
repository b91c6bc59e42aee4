"""Kernels in real Apptainer images: alone, under mpiexec, under srun, and in sweeps over nodes.

Run by `nox -s cluster`, which builds the images into the folder that SCALEMARK_IMAGES names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.store import source_code
from harness.store.record import Record, Stack
from kernels.data.records import ensure_dataset

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(590)]

Scalemark = Callable[..., subprocess.CompletedProcess[str]]
KERNELS = ("allreduce", "circuit_sim", "qcnn_layer", "mtl_step", "input_pipeline")
IMAGES = Path(os.environ.get("SCALEMARK_IMAGES", "images")).resolve()
MPIEXEC = str(Path(sys.executable).with_name("mpiexec"))
ALLREDUCE, NOTHING = str(IMAGES / "allreduce.sif"), str(IMAGES / "nothing.sif")


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_IMAGES", str(IMAGES))


def write_site(**settings: object) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"partition": "debug", **settings}.items()]
    Path("site.toml").write_text("\n".join([*lines, "[environment]", 'MPIR_CVAR_POLLS_BEFORE_YIELD = "1"', ""]))


def run_record(*command: str, cwd: Path = Path("/")) -> Record:
    import msgspec

    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Record)


def begin_image() -> bytes:
    """The first mebibyte of a real image, which tells how long it is."""
    with Path(ALLREDUCE).open("rb") as stream:
        return stream.read(1 << 20)


def code_of(record: Record) -> dict[str, Any]:
    assert record.environment is not None
    return record.environment.code


def test_all_five_kernels_sweep_over_nodes_in_their_images(scalemark: Scalemark) -> None:
    # made once and here, where one rank does not make them while the others of an allocation wait
    for records, shards in [(128, 4), (256, 8), (512, 16)]:
        ensure_dataset(records, shards, seed=0)
    write_site()
    done = scalemark("sweep", "cluster", "--site", "./site.toml", "--stack", "auto", "--format", "json", timeout=570)
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    found = {(row["kernel"], row["nodes"], row["ranks"]) for row in table}
    assert found == {(kernel, nodes, 2 * nodes) for kernel in KERNELS for nodes in (1, 2, 4)}
    assert all(row["status"] == "ok" and row["check_passed"] and row["efficiency"] for row in table)
    assert "bare" not in {row["stack"] for row in table}


def test_an_image_alone_measures_and_prints_its_record() -> None:
    command = ["apptainer", "run", ALLREDUCE, "--set", "message_bytes=1048576", "--budget-s", "0.1"]
    # where the image's file is seen from inside too
    record = run_record(*command, cwd=IMAGES)
    assert record.case.parameters["message_bytes"] == 1048576
    assert record.check is not None
    assert record.check.passed
    assert len(record.samples_s) > 0
    report = json.loads((IMAGES / "allreduce.json").read_text())
    assert record.stack == Stack(name="allreduce.sif", sha256=report["sha256"], path=ALLREDUCE)


def test_an_image_runs_and_tests_its_own_code_whatever_lies_where_one_stands(tmp_path: Path) -> None:
    for package in ("kernels", "harness"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('not the code inside')")
    own = run_record("apptainer", "run", NOTHING, "--budget-s", "0.02")
    here = run_record("env", f"PYTHONPATH={tmp_path}", "apptainer", "run", NOTHING, "--budget-s", "0.02", cwd=tmp_path)
    assert code_of(here) == code_of(own)
    tested = subprocess.run(["apptainer", "test", NOTHING], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert "nothing: the answers of --backend=python are right" in tested.stdout


def test_a_checkout_bound_over_an_image_is_the_code_that_the_record_names(
    scalemark: Scalemark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout: mine, changed"
    for package in ("kernels", "harness"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source_code.ROOT / package, checkout / package, ignore=ignored)
    (checkout / "kernels" / "nothing.py").open("a").write("# changed\n")
    monkeypatch.setenv("SCALEMARK_CHECKOUT", str(checkout))
    done = scalemark("run", "nothing", "--stack", "auto", "--budget-s", "0.02")
    assert done.returncode == 0, done.stderr
    (path,) = Path("results/runs/run").glob("*/*.json")
    code = json.loads(path.read_text())["environment"]["code"]
    assert (code["digest"], code["commit"], code["dirty"]) == (source_code.digest(checkout), "", None)


@pytest.mark.parametrize(
    "launcher",
    [[MPIEXEC, "-n", "2"], ["srun", "--mpi=pmi2", "--nodes=2", "--ntasks-per-node=1"]],
    ids=["mpiexec", "srun"],
)
def test_an_image_runs_on_as_many_ranks_as_its_launcher_starts(launcher: list[str]) -> None:
    record = run_record(*launcher, "apptainer", "run", "--sharens", ALLREDUCE, "--budget-s", "0.1")
    assert record.environment is not None
    assert record.environment.mpi["world_size"] == 2
    assert len(record.rank_median_s) == 2


def test_ranks_that_do_not_find_each_other_measure_nothing() -> None:
    command = ["srun", "--mpi=none", "--nodes=2", "--ntasks-per-node=1", "apptainer", "run", NOTHING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd="/")
    assert done.returncode == 1
    assert "asked for 2 ranks (SLURM_STEP_NUM_TASKS), but MPI counted 1" in done.stderr
    assert done.stdout == ""


def test_an_image_explains_itself() -> None:
    told = subprocess.run(["apptainer", "run-help", ALLREDUCE], capture_output=True, text=True, timeout=60).stdout
    for word in ("allreduce", "--set", "srun", "mpiexec"):
        assert word in told


def test_bare_and_image_stand_side_by_side(scalemark: Scalemark) -> None:
    stacks = ["--stack", "bare", "--stack", "auto"]
    done = scalemark("run", "allreduce", "--ranks-per-node", "2", "--budget-s", "0.1", *stacks, "--format", "json")
    assert done.returncode == 0, done.stderr
    bare, image = sorted(json.loads(done.stdout), key=lambda row: row["stack"] != "bare")
    assert bare["case_id"] == image["case_id"]
    assert bare["stack"] == "bare"
    report = json.loads((IMAGES / "allreduce.json").read_text())
    assert report["sha256"].startswith(image["stack"])
    (record,) = (
        found
        for path in Path("results/runs/run").glob("*/*.json")
        if (found := json.loads(path.read_text()))["stack"]["sha256"]
    )
    # both ran the code of this checkout
    assert record["environment"]["code"] == source_code.describe()


def test_ranks_in_an_image_see_no_home_and_alone_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.case import Scale
    from harness.images import container

    stack = Stack(name="allreduce.sif", sha256="0" * 64, path=ALLREDUCE)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "launches" / "s" / "1"
    command = container.rank_command(stack, Scale(), folder, ())
    before = command[: command.index(ALLREDUCE) + 1]
    folder.mkdir(parents=True)
    with tempfile.NamedTemporaryFile(dir=Path.home()) as private:
        look = f"import os, socket; print(os.path.exists({private.name!r}));"
        look += "print([name for _, name in socket.if_nameindex()])"
        done = subprocess.run([*before, "python", "-c", look], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    home, interfaces = done.stdout.splitlines()[-2:]
    assert home == "False"
    assert interfaces == "['lo']"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"", "no image of kernel allreduce; make it with `scalemark build allreduce`"),
        (begin_image, "cut short"),
        (lambda: b"not an image" * 100, "not an Apptainer image"),
    ],
    ids=["missing", "cut", "foreign"],
)
def test_an_image_that_is_missing_or_damaged_is_told_before_anything_starts(
    scalemark: Scalemark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Callable[[], bytes], words: str
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    if found := content():
        (folder / "allreduce.sif").write_bytes(found)
    monkeypatch.setenv("SCALEMARK_IMAGES", str(folder))
    done = scalemark("run", "allreduce", "--stack", "auto")
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_launcher_whose_pmi_the_image_does_not_speak_is_a_failure(scalemark: Scalemark) -> None:
    write_site(pmi="none")
    command = ["run", "allreduce", "--backend", "mpi4py", "--nodes", "2", "--stack", "auto", "--site", "./site.toml"]
    done = scalemark(*command, "--format", "json", timeout=200)
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)
    assert row["status"] == "failed"
    assert "asked for 2 ranks, but MPI counted 1" in row["message"]
