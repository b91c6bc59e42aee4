from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import storage
from harness.doctor.tree import ROOT

Machine = Callable[[dict[str, str]], Path]
MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 21 0:40 / /home rw - nfs4 server:/home rw,vers=4.2
41 21 0:41 / /scratch rw - lustre 10.0.0.1@tcp:/work rw,flock
42 21 0:42 / /scratch/local rw - xfs /dev/nvme0n1 rw
43 21 0:43 / /with\040blank rw - tmpfs tmpfs rw
44 21 0:44 / /twice rw - ext4 /dev/sdb rw
45 44 0:45 / /twice rw - overlay overlay rw
""".strip()


@pytest.mark.parametrize(
    ("path", "type_"),
    [("/home/me/results", "nfs4"), ("/scratch/a", "lustre"), ("/scratch/local/a", "xfs"), ("/scratchy", "ext4"),
     ("/with blank/a", "tmpfs"), ("/twice/a", "overlay"), ("/", "ext4")],
)  # fmt: skip
def test_the_file_system_is_that_of_the_nearest_mount(machine: Machine, path: str, type_: str) -> None:
    assert storage.file_system(Path(path), machine({"proc/self/mountinfo": MOUNTS})) == type_


@pytest.mark.parametrize(
    ("type_", "severity"),
    [
        ("ext4", "ok"),
        ("nfs4", "note"),
        ("lustre", "note"),
        ("gpfs", "note"),
        ("tmpfs", "warning"),
        ("overlay", "warning"),
    ],
)
def test_what_lies_behind_results(machine: Machine, tmp_path: Path, type_: str, severity: str) -> None:
    root = machine({"proc/self/mountinfo": f"21 1 8:1 / / rw - {type_} x rw"})
    assert next(storage.examine_folder("results", tmp_path / "results", root)).severity == severity


def test_a_folder_that_is_not_there_yet_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    findings = list(storage.examine_folder("results", tmp_path / "a" / "b", ROOT))
    assert findings[-1].severity == "ok"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file/results", "file"])
def test_a_file_in_the_way_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (found,) = storage.examine_folder("results", tmp_path / place, ROOT)
    assert found.severity == "error"
    assert str(tmp_path / "file") in found.found


def test_a_folder_that_takes_no_files_is_an_error() -> None:
    assert [f.severity for f in storage.examine_folder("data", Path("/proc/scalemark"), ROOT)][-1] == "error"
