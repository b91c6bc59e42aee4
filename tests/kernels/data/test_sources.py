import os
from pathlib import Path

import numpy as np
import pytest

from kernels.api import InputError
from kernels.data.sources import Disk, Memory, huge_array


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_normal((50, 1088)).astype(np.float32)


def test_cache_on_disk_is_read_from_its_file_and_leaves_none(tmp_path, values):
    disk = Disk(50, tmp_path)
    disk.records[:] = values
    disk.unmap()
    (file,) = disk.files
    assert np.array_equal(np.fromfile(file, np.float32).reshape(50, 1088), values)
    disk.map()
    rows = np.array([3, 4, 49])
    assert np.array_equal(disk.gather(rows, np.empty((3, 1088), np.float32)), values[rows])
    disk.close()
    assert not os.listdir(tmp_path)


def test_cache_in_memory(values):
    memory = Memory(50)
    memory.records[:] = values
    rows = np.array([0, 7])
    assert np.array_equal(memory.gather(rows, np.empty((2, 1088), np.float32)), values[rows])
    assert memory.files == []


def test_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be written: .*; set cache=memory"):
        Disk(1, Path(tmp_path, "nowhere"))


def test_huge_array_is_of_zeros_that_can_be_written():
    records = huge_array(3)
    assert records.shape == (3, 1088)
    assert not records.any()
    records[2, 1087] = 1
