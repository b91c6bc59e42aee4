"""`scalemark doctor` as a user types it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Scalemark = Callable[..., subprocess.CompletedProcess[str]]


def _findings(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], dict[str, str]]:
    return {(found["area"], found["subject"]): found for found in json.loads(done.stdout)}


def test_this_machine_is_told_and_left_as_it_was(scalemark: Scalemark, tmp_path: Path) -> None:
    done = scalemark("doctor", "--format", "json")
    found = _findings(done)
    assert done.returncode == 0, [row for row in found.values() if row["severity"] == "error"]
    assert found["MPI", "two ranks"]["found"].startswith("2 of 2 started and met")
    assert all(row["reason"] and row["action"] for row in found.values() if row["severity"] != "ok")
    areas = {area for area, _ in found}
    assert areas >= {"processor", "clock", "memory", "limits", "storage", "MPI", "GPU", "images", "kernels", "Slurm"}
    assert not list(tmp_path.iterdir())


def test_results_that_cannot_be_written_and_a_missing_mpi_end_in_exit_code_1(
    scalemark: Scalemark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "mpi").mkdir()
    monkeypatch.setenv("SCALEMARK_MPI", str(tmp_path / "mpi"))
    done = scalemark("doctor", "--results", "file", "--format", "json")
    errors = {place for place, row in _findings(done).items() if row["severity"] == "error"}
    assert done.returncode == 1
    assert errors == {("storage", "results"), ("MPI", "launcher")}


def test_an_image_that_is_not_there_ends_in_exit_code_1(scalemark: Scalemark) -> None:
    done = scalemark("doctor", "--stack", "gone.sif")
    assert done.returncode == 1
    assert done.stdout.startswith("a sweep would fail")
    assert "images, gone.sif: gone.sif: No such file or directory" in done.stdout


def test_an_unknown_site_is_a_bad_question(scalemark: Scalemark) -> None:
    done = scalemark("doctor", "--site", "nowhere")
    assert done.returncode == 2
    assert "no site 'nowhere'" in done.stderr


@pytest.mark.cluster
def test_a_job_of_two_ranks_is_really_submitted_and_counted(scalemark: Scalemark, tmp_path: Path) -> None:
    Path("site.toml").write_text('partition = "debug"\n')
    done = scalemark("doctor", "--site", "./site.toml", "--format", "json", timeout=240)
    found = _findings(done)
    assert found["site", "bare: two ranks"]["found"].startswith("2 of 2 started and met"), done.stdout
    assert ("MPI", "two ranks") not in found
    assert [path.name for path in tmp_path.iterdir()] == ["site.toml"]


@pytest.mark.cluster
def test_a_pmi_that_leaves_ranks_alone_is_found_before_a_sweep_meets_it(scalemark: Scalemark) -> None:
    Path("site.toml").write_text('partition = "debug"\npmi = "none"\n')
    done = scalemark("doctor", "--site", "./site.toml", "--format", "json", timeout=240)
    assert done.returncode == 1
    assert "those that started count 1, 1" in _findings(done)["site", "bare: two ranks"]["found"]


@pytest.mark.cluster
def test_a_partition_that_slurm_does_not_know_is_told_in_its_words(scalemark: Scalemark) -> None:
    Path("site.toml").write_text('partition = "nowhere"\n')
    done = scalemark("doctor", "--site", "./site.toml", "--format", "json", timeout=240)
    assert done.returncode == 1
    assert _findings(done)["site", "bare: two ranks"]["found"].startswith("Slurm refuses the job: ")
