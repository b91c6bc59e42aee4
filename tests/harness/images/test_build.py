"""Real builds of small images: `nox -s cluster` runs these, where there are Apptainer and its base images."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.images import image, recipes
from harness.images.build import advance, build
from harness.images.image_build import BuildError
from kernels.api import InputError

PROJECT = Path(__file__).parents[3]
BUILD = """
import sys
from pathlib import Path
from harness.images.build import build
build(["nothing"], Path(sys.argv[1]), Path(sys.argv[2]), "mirror", lambda name, line: print(name, line, flush=True))
"""


def silent(name, line):
    pass


def test_a_folder_in_use_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "find_apptainer", lambda: "apptainer")
    (tmp_path / "images").write_text("a file")
    with pytest.raises(InputError, match="name a folder you can write to in SCALEMARK_IMAGES"):
        build(["nothing"], PROJECT, tmp_path / "images", "registry", silent)


@pytest.mark.parametrize("fails", [None, "nothing"])
def test_two_builds_go_on_at_once_after_their_bases_and_a_failure_ends_both(fails):
    done, running, seen = {}, set(), []

    def make(recipe):
        assert not recipe.row.base or recipe.row.base in done
        running.add(recipe.name)
        try:
            for _ in range(3):
                seen.append(set(running))
                yield
                if recipe.name == fails:
                    raise BuildError(recipe.name)
        finally:
            running.remove(recipe.name)
        done[recipe.name] = True

    order = recipes.in_order(recipes.read_table(PROJECT), ["allreduce", "nothing", "horovod"])
    with pytest.raises(BuildError) if fails else contextlib.nullcontext():
        advance(order, make, done)
    assert not running
    assert max(map(len, seen)) == 2
    assert fails or set(done) == {recipe.name for recipe in order}


def test_what_a_killed_build_left_mounted_is_not_emptied(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "find_apptainer", lambda: "apptainer")
    mounted = tmp_path / ".build-killed" / "root" / "dev" / "shm"
    mounted.mkdir(parents=True)
    (mounted / "of another").touch()
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [SimpleNamespace(mountpoint=str(mounted))])
    with pytest.raises(InputError, match="unmount it"):
        build(["nothing"], PROJECT, tmp_path, "mirror", silent)
    assert (mounted / "of another").exists()


@pytest.fixture(scope="module")
def images():
    """The folder of images, with a current one of kernel `nothing`."""
    folder = image.image_folder()
    build(["nothing"], PROJECT, folder, "mirror", silent)
    return folder


@pytest.fixture
def own_images(images, tmp_path):
    """A folder of one's own with the images that are there."""
    folder = tmp_path / "own images"
    folder.mkdir()
    for name in ("mpi", "nothing"):
        os.link(images / f"{name}.sif", folder / f"{name}.sif")
        shutil.copy(images / f"{name}.json", folder / f"{name}.json")
    return folder


@pytest.mark.cluster
def test_what_has_not_changed_is_not_built(images):
    before = (images / "nothing.sif").stat()
    said = []
    build(["nothing"], PROJECT, images, "mirror", lambda name, line: said.append((name, line)))
    assert said == [("mpi", "nothing has changed"), ("nothing", "nothing has changed")]
    assert (images / "nothing.sif").stat() == before


@pytest.mark.cluster
def test_an_image_tells_what_it_is(images):
    path = images / "nothing.sif"
    info, report = image.inspect(path), image.read_report(path)
    assert info.kernel == "nothing"
    assert info.labels["scalemark.base"] == f"mpi@sha256:{image.inspect(images / 'mpi.sif').sha256}"
    assert (report.sha256, report.size_bytes, report.labels) == (info.sha256, info.size_bytes, info.labels)
    assert "mpi4py" in report.packages
    image.check_usable(path, info)


@pytest.mark.cluster
def test_apptainers_python_client_reads_the_same(images):
    spython = pytest.importorskip("spython.main")
    if shutil.which("singularity") is None:
        pytest.skip("spython calls Apptainer by the name singularity, which is not on PATH")
    path = images / "nothing.sif"
    assert spython.Client.inspect(str(path))["attributes"]["labels"] == image.inspect(path).labels


@pytest.mark.cluster
def test_an_image_needs_no_checkout_and_ranks_find_each_other(images, tmp_path):
    mpiexec = Path(sys.executable).parent / "mpiexec"
    run = [mpiexec, "-n", "2", "apptainer", "run", "--sharens", "--no-home", images.resolve() / "nothing.sif"]
    done = subprocess.run([*run, "--budget-s", "0.1"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"world_size": 2') == 1


@pytest.mark.cluster
def test_a_wrong_answer_leaves_the_image_that_was_there(own_images, project):
    before = image.inspect(own_images / "nothing.sif")
    code = project / "kernels" / "nothing.py"
    code.write_text(code.read_text().replace("Check(error=0.0", "Check(error=1.0"))
    with pytest.raises(BuildError, match=r"image nothing: exit code .*nothing\.log"):
        build(["nothing"], project, own_images, "mirror", silent)
    assert image.inspect(own_images / "nothing.sif") == before
    assert not list(own_images.glob(".build-*"))


@pytest.mark.cluster
def test_a_killed_build_leaves_the_image_that_was_there(own_images, project):
    before = image.inspect(own_images / "nothing.sif")
    (project / "kernels" / "nothing.py").open("a").write("# changed\n")
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, project, own_images], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stdout:
        if "Creating SIF file" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert image.inspect(own_images / "nothing.sif") == before

    build(["nothing"], project, own_images, "mirror", silent)
    assert image.inspect(own_images / "nothing.sif").sha256 != before.sha256
    assert not list(own_images.glob(".build-*"))
