from __future__ import annotations

import re
import tempfile
from pathlib import Path

import msgspec
import pytest

from harness.case import Scale
from harness.doctor import trial
from harness.doctor.finding import Area
from harness.launch.launchers import Launcher
from harness.store.record import Stack

AREA = Area("MPI")


def test_two_ranks_really_meet_on_cpus_of_their_own() -> None:
    ran = trial.run_here(2, Stack())
    assert ran.record.environment is not None
    assert ran.record.environment.mpi["world_size"] == 2
    met, pinning = trial.judge(AREA, "two ranks", ran, "do this")
    assert met.found.startswith("2 of 2 started and met: MPICH")
    assert pinning.severity == "ok"


class Singletons(Launcher):
    """Starts two processes and tells them nothing of each other, as srun does when its PMI does not fit."""

    name = "singletons"

    def command(self, scale: Scale, program: list[str]) -> list[str]:
        return ["sh", "-c", '"$@" & "$@" & wait', "sh", *program]


def test_ranks_that_each_believe_they_are_alone_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "launcher_here", lambda scale: Singletons())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ran = trial.run_here(2, Stack())
    assert ran.world_sizes == (1, 1)
    (found,) = trial.judge(AREA, "two ranks", ran, "do this")
    assert found.severity == "error"
    assert found.found == "2 asked for, but those that started count 1, 1"
    assert found.action == "do this"


def test_ranks_that_do_not_start_leave_their_output_where_the_finding_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPI4PY_LIBMPI", str(tmp_path / "gone.so"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (found,) = trial.judge(AREA, "two ranks", trial.run_here(2, Stack()), "do this")
    assert found.severity == "error"
    log = re.search(r"\((\S+output\.log)\)", found.found)
    assert log is not None
    assert "gone.so" in Path(log[1]).read_text()


def test_ranks_that_ran_outside_their_image_are_an_error() -> None:
    ran = trial.run_here(1, Stack())
    in_image = msgspec.structs.replace(ran.record, stack=Stack(name="a.sif", sha256="0" * 64))
    (found,) = trial.judge(AREA, "two ranks", trial.Trial(ranks=1, record=in_image), "do this")
    assert found.severity == "error"
    assert "outside the image" in found.found
