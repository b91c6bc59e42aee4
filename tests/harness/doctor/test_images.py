from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import images

Machine = Callable[[dict[str, str]], Path]


@pytest.fixture
def programs(tmp_path: Path) -> list[Path]:
    """A folder with the helper programs that Apptainer looks for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("squashfuse_ll", "newuidmap"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return [folder]


@pytest.mark.parametrize(
    ("file", "value"),
    [("user/max_user_namespaces", "0"), ("kernel/unprivileged_userns_clone", "0"),
     ("kernel/apparmor_restrict_unprivileged_userns", "1")],
)  # fmt: skip
def test_closed_user_namespaces_are_named_and_the_setuid_starter_makes_up_for_them(
    machine: Machine, programs: list[Path], file: str, value: str
) -> None:
    root = machine({f"proc/sys/{file}": value})
    (closed,) = images.examine_privileges(root, programs, setuid=False)
    assert closed.severity == "warning"
    assert file.partition("/")[2] in closed.found
    (helped,) = images.examine_privileges(root, programs, setuid=True)
    assert helped.severity == "ok"


def test_without_uid_maps_users_cannot_build(machine: Machine, tmp_path: Path) -> None:
    *_, building = images.examine_privileges(machine({}), [tmp_path], setuid=False)
    assert (building.subject, building.severity) == ("building", "note")


def test_an_image_that_cannot_be_mounted_is_a_warning_that_names_what_lacks(
    machine: Machine, programs: list[Path], tmp_path: Path
) -> None:
    assert images.examine_mounting(machine({"dev/fuse": ""}), programs).severity == "ok"
    assert "squashfuse" in images.examine_mounting(machine({"dev/fuse": ""}), [tmp_path / "empty"]).found
    (tmp_path / "dev/fuse").unlink()
    assert "/dev/fuse" in images.examine_mounting(tmp_path, programs).found


def test_the_setuid_starter_is_believed_only_with_its_bit(tmp_path: Path) -> None:
    assert not images.has_setuid_starter([tmp_path])
    (tmp_path / "starter-suid").write_text("")
    assert not images.has_setuid_starter([tmp_path])


@pytest.mark.parametrize("content", [None, b"no image at all"])
def test_a_missing_or_foreign_image_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "allreduce.sif"
    if content is not None:
        path.write_bytes(content)
    (found,) = images.examine_image(path, start=True)
    assert found.severity == "error"
    assert str(path) in found.found
