import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kernels.api import InputError
from kernels.data import shards
from kernels.data.dataset import open_dataset
from kernels.data.generation import generate
from kernels.material.tensile import simulate


@pytest.fixture
def folder(tmp_path):
    generate(tmp_path / "folder", 30, 4, 7)
    return tmp_path / "folder"


def test_bytes_follow_the_seed(folder, tmp_path):
    generate(tmp_path / "again", 30, 4, 7)
    generate(tmp_path / "other", 30, 4, 8)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    assert not np.array_equal(open_dataset(tmp_path / "other").read(0, 30)[1], open_dataset(folder).read(0, 30)[1])


def test_generation_that_failed_is_taken_up_where_it_ended(tmp_path, monkeypatch):
    def fail_in_third(cards):
        made.append(len(cards))
        if len(made) == 3:
            raise ArithmeticError("no convergence")
        return simulate(cards)

    made = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    monkeypatch.setattr(shards, "simulate", fail_in_third)
    with pytest.raises(ArithmeticError):
        generate(tmp_path / "set", 8, 4, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["set.unfinished"]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "set.unfinished").glob("shard-*.bin")}
    assert len(kept) >= 2
    assert generate(tmp_path / "set", 8, 4, 0) == []
    for path, written in kept.items():
        assert (tmp_path / "set" / path.name).stat().st_mtime_ns == written
    generate(tmp_path / "again", 8, 4, 0)
    names = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert all((tmp_path / "set" / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_damaged_shards_are_named_and_made_anew(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "shard-00001.bin").write_bytes(before["shard-00001.bin"][:-4] + b"\0\0\0\0")
    (folder / "shard-00003.bin").unlink()
    damaged = generate(folder, 30, 4, 7)
    assert [line.split(": ")[0] for line in damaged] == [str(folder / f"shard-0000{shard}.bin") for shard in (1, 3)]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert generate(folder, 30, 4, 7) == []


def test_other_data_set_in_the_folder_is_left_alone(folder):
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="name another folder"):
        generate(folder, 30, 4, 8)
    assert (folder / "manifest.json").read_bytes() == before


def test_ranks_make_the_same_data_set_as_one_process(folder, tmp_path):
    mpiexec = str(Path(sys.executable).parent / "mpiexec")
    command = [sys.executable, "-m", "kernels.data.records", "generate", str(tmp_path / "ranks")]
    sizes = ["--records", "30", "--shards", "4", "--seed", "7"]
    subprocess.run([mpiexec, "-n", "3", *command, *sizes], check=True, timeout=200)
    for path in folder.iterdir():
        assert (tmp_path / "ranks" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("count", "files", "seed"), [(3, 4, 0), (3, 0, 0), (3, 1, -1)])
def test_impossible_data_sets_are_refused(tmp_path, count, files, seed):
    with pytest.raises(InputError, match=f"{count} records in {files} shards"):
        generate(tmp_path / "set", count, files, seed)


def test_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written, .*/file/set.unfinished: Not a directory; SCALEMARK_DATA"):
        generate(tmp_path / "file" / "set", 3, 1, 0)


class Second:
    """The second of two ranks, when the first cannot write the manifest."""

    rank, size = 1, 2

    def allgather(self, made):
        return [made, made]

    def bcast(self, value):
        return InputError("the disk is full")


def test_what_the_first_rank_cannot_finish_ends_all_ranks(tmp_path):
    with pytest.raises(InputError, match="the disk is full"):
        generate(tmp_path / "set", 4, 2, 0, comm=Second())
