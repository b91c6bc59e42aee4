import os
from pathlib import Path

import pytest

from kernels.data import page_cache

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "one", tmp_path / "two", tmp_path / "empty"]
    for path, size in zip(paths, (1_000_000, 300_001, 0), strict=True):
        path.write_bytes(os.urandom(size))
    return paths


def resident_after_reading(files, read):
    """The largest of a few looks: others on this machine may empty the cache between reading and looking."""
    found = []
    for _ in range(5):
        page_cache.give_up(files)
        for path in read:
            path.read_bytes()
        found.append(page_cache.resident_fraction(files))
    return max(found)


def test_files_are_resident_once_read_until_they_are_given_up(files):
    assert page_cache.drop(files) == "posix_fadvise"
    if page_cache.resident_fraction(files) > 0:
        pytest.skip("this file system keeps its pages in memory")
    assert 0.7 < resident_after_reading(files, files[:1]) < 0.9
    assert resident_after_reading(files, files) == 1.0


def test_superuser_empties_the_whole_cache(files, monkeypatch):
    monkeypatch.setattr(page_cache, "_DROP_CACHES", DROP_CACHES)
    if not os.access(DROP_CACHES, os.W_OK):
        pytest.skip("this needs the superuser's privilege")
    assert page_cache.drop(files) == "drop_caches"
    assert page_cache.resident_fraction(files) == 0
