from __future__ import annotations

from pathlib import Path

import pytest

from harness.doctor import mpi


@pytest.mark.parametrize(
    ("told", "version"),
    [("HYDRA build details:\n    Version:                                 5.0.2\n    Release Date: x\n",
      "MPICH's mpiexec (Hydra) 5.0.2"),
     ("mpiexec (Open MPI) 5.0.7\n\nReport bugs to ...\n", "mpiexec (Open MPI) 5.0.7"),
     ("Intel(R) MPI Library for Linux* OS, Version 2021.12\n", "Intel(R) MPI Library for Linux* OS, Version 2021.12")],
)  # fmt: skip
def test_launchers_are_told_apart(told: str, version: str) -> None:
    assert mpi.parse_version(told) == version


def test_without_a_launcher_no_ranks_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_MPI", str(tmp_path))
    (found,) = mpi.examine_mpi()
    assert (found.subject, found.severity) == ("launcher", "error")
    assert "SCALEMARK_MPI" in found.found
