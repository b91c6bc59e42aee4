from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.case import CaseGroup, SweepFile, expand
from harness.store.read import read_runs
from harness.store.record import LaunchInfo, Record, Stack
from harness.store.write import runs_folder, write_atomic, write_record
from kernels.api import Figure

WRITERS, RECORDS = 64, 10_000
(CASE,) = (item.case for item in expand(SweepFile(name="s", cases=(CaseGroup(kernel="nothing"),))).cases)


def make_record(run_id: str, value: float = 1.0) -> Record:
    return Record(
        run_id=run_id,
        sweep="s",
        case=CASE,
        stack=Stack(),
        launch=LaunchInfo(id=run_id, repeat=0, launcher="none"),
        status="ok",
        samples_s=[1e-3] * 100,
        figures=[Figure(name="value", value=value)],
    )


def write_many(results: Path, writer: int) -> None:
    for number in range(writer, RECORDS, WRITERS):
        write_record(results, make_record(f"{number:05d}"))


def test_64_processes_write_10_000_records_and_none_is_lost_or_torn(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(tmp_path, writer)) for writer in range(WRITERS)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    runs, damages = read_runs(runs_folder(tmp_path, "s"))
    assert damages == []
    assert sorted(run.run_id for run in runs) == [f"{number:05d}" for number in range(RECORDS)]
    assert not list(tmp_path.rglob(".*.tmp"))


def failing_first(times: int, number: int, real: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    failures = iter(range(times))

    def replace(self: Path, target: Path) -> Path:
        if next(failures, None) is not None:
            raise OSError(number, os.strerror(number))
        return real(self, target)

    return replace


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ENOENT])
def test_a_rename_that_fails_for_a_moment_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(Path, "replace", failing_first(3, number, Path.replace))
    write_atomic(tmp_path / "a" / "b.json", b"whole")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]
    assert (tmp_path / "a" / "b.json").read_bytes() == b"whole"


@pytest.mark.parametrize(("number", "times"), [(errno.ENOSPC, 1), (errno.ESTALE, 99)])
def test_a_failure_that_lasts_is_raised_and_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, times: int
) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(b"old")
    monkeypatch.setattr("harness.store.write._PAUSE_S", 0)
    monkeypatch.setattr(Path, "replace", failing_first(times, number, Path.replace))
    with pytest.raises(OSError, match=os.strerror(number)):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_figures_may_be_numpy_scalars(tmp_path: Path) -> None:
    write_record(tmp_path, make_record("0", value=np.float64(2.5)))
    ((run,), _) = read_runs(runs_folder(tmp_path, "s"))
    assert run.figures[0].value == 2.5
