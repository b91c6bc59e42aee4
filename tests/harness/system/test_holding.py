import pytest

from harness.system.holding import hold
from kernels.api import InputError


def test_one_holds_a_folder_at_a_time(tmp_path):
    folder = tmp_path / "a" / "new one"
    for _ in range(2):
        with (
            hold(folder, taken="", remedy=""),
            pytest.raises(InputError, match="somebody has it"),
            hold(folder, taken="somebody has it", remedy=""),
        ):
            raise AssertionError("two hold it")


def test_a_folder_that_takes_no_files_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file/folder: Not a directory; name another"),
        hold(tmp_path / "file" / "folder", taken="", remedy="name another"),
    ):
        raise AssertionError("a file holds a folder")
