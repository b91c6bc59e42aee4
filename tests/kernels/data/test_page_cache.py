import os

import pytest

from kernels.data import page_cache


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "one", tmp_path / "two", tmp_path / "empty"]
    for path, size in zip(paths, (1_000_000, 300_001, 0), strict=True):
        path.write_bytes(os.urandom(size))
    return paths


def test_files_just_written_are_resident_until_dropped(files):
    assert page_cache.resident_fraction(files) == 1.0
    assert page_cache.drop(files) in ("drop_caches", "posix_fadvise")
    if page_cache.resident_fraction(files) > 0:
        pytest.skip("this file system keeps its pages in memory")
    files[0].read_bytes()
    assert 0.7 < page_cache.resident_fraction(files) < 0.9


def test_without_privilege_each_file_is_given_up(files, monkeypatch, tmp_path):
    monkeypatch.setattr(page_cache, "_DROP_CACHES", tmp_path / "no" / "such" / "file")
    assert page_cache.drop(files) == "posix_fadvise"
    if page_cache.resident_fraction(files) > 0:
        pytest.skip("this file system keeps its pages in memory")
