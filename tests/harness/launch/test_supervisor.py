"""Ranks that fail in every way there is: each case ends in a record that says how, and the rest are measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from harness.case import Case, CaseGroup, Scale, SweepFile, expand
from harness.images import image
from harness.launch.launchers import Launcher, Mpiexec, launcher_here
from harness.launch.observer import Observer, Silence
from harness.launch.plan import Launch
from harness.launch.supervisor import Setting, clear_interrupted, run_launch
from harness.store.launch_folder import LaunchPlan, write_plan
from harness.store.read import read_runs
from harness.store.record import LaunchInfo, Stack
from harness.store.write import runs_folder

pytestmark = pytest.mark.usefixtures("with_faulty")
BARE = Stack()


def measure(
    results: Path,
    ranks: int,
    limit_s: float = 30,
    launcher: Launcher | None = None,
    observer: Observer | None = None,
    stack: Stack = BARE,
    **axes: Any,
) -> dict[Any, Any]:
    """Runs by (fault, index)."""
    group = CaseGroup(kernel="faulty", backend=["python"], set=axes)
    cases = [item.case for item in expand(SweepFile(name="s", ranks_per_node=(ranks,), cases=(group,))).cases]
    scale = Scale(1, ranks, 1)
    setting = Setting(results=results, sweep="s", budget_s=0.02, limit_s=limit_s, code={})
    run_launch(
        Launch(scale=scale, stack=stack, repeat=0, cases=cases),
        launcher or launcher_here(scale),
        setting,
        observer or Silence(),
    )
    runs, damages = read_runs(runs_folder(results, "s"))
    assert not damages
    return {(run.case.parameters["fault"], run.case.parameters["index"]): run for run in runs}


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("raise", "failed", "RuntimeError: the step went wrong"),
        ("input", "failed", "data.bin: found nothing; right would be something"),
        ("exit", "failed", "exit code 3"),
        ("segfault", "failed", "signal 11 (segmentation fault)"),
        ("kill", "failed", "signal 9 (killed)"),
        ("memory", "out_of_memory", "MemoryError"),
    ],
)
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_case_that_breaks_says_how_and_costs_only_itself(
    tmp_path: Path, ranks: int, fault: str, status: str, words: str
) -> None:
    runs = measure(tmp_path, ranks, fault=[fault, "none"], index=[0, 1], rank=ranks - 1)
    assert {runs["none", index].status for index in (0, 1)} == {"ok"}
    for index in (0, 1):
        assert runs[fault, index].status == status
        assert words in runs[fault, index].message


def test_a_case_that_hangs_is_ended_at_its_time_limit(
    tmp_path: Path, workers: Callable[[], list[psutil.Process]]
) -> None:
    runs = measure(tmp_path, 2, limit_s=4, fault=["hang", "none"], rank=1)
    assert runs["hang", 0].status == "timeout"
    assert "time limit" in runs["hang", 0].message
    assert runs["none", 0].status == "ok"
    assert not workers()


def test_a_case_that_tells_much_has_no_more_time_than_others(tmp_path: Path) -> None:
    runs = measure(tmp_path, 2, limit_s=4, fault=["chatter", "none"])
    assert runs["chatter", 0].status == "timeout"
    assert runs["none", 0].status == "ok"


def test_ranks_that_start_slowly_do_not_use_up_the_time_of_a_case(tmp_path: Path) -> None:
    assert measure(tmp_path, 2, limit_s=6, launcher=Sleepy())["none", 0].status == "ok"


class Sleepy(Mpiexec):
    def command(self, scale: Scale, program: list[str]) -> list[str]:
        return ["sh", "-c", 'sleep 7; exec "$@"', "sh", *super().command(scale, program)]


def test_an_image_that_is_no_longer_what_was_asked_for_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # reading labels takes Apptainer, which has tests of its own
    monkeypatch.setattr(image, "read_labels", lambda path: {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "faulty.sif"
    path.write_bytes(b"\0" * 32 + b"SIF_MAGIC" + b"\0" * 200)
    stack = Stack(name=path.name, sha256=image.inspect(path).sha256, path=str(path))
    for content, words in [(b"\0" * 32 + b"SIF_MAGIC" + b"\0" * 201, "the image has changed"), (b"", "no SIF header")]:
        path.write_bytes(content)
        run = measure(tmp_path / words, 1, stack=stack)["none", 0]
        assert (run.status, run.stack.sha256) == ("failed", stack.sha256)
        assert words in run.message
        assert not (tmp_path / words / "launches").exists()


@pytest.mark.parametrize("ranks", [1, 2])
def test_no_parameter_reaches_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranks: int) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = ["$(touch canary)", "`touch canary`", "'; touch canary; '", '"; touch canary; "', "a\ntouch canary", "-n"]
    runs = measure(tmp_path / "results", ranks, says=hostile).values()
    assert not (tmp_path / "canary").exists()
    # all have one index, so the last one stands for them in `runs`
    (folder,) = (tmp_path / "results/runs").iterdir()
    assert len(list(folder.iterdir())) == len(hostile)
    assert {run.status for run in runs} == {"ok"}


def test_a_wrong_answer_is_kept_and_marked(tmp_path: Path) -> None:
    run = measure(tmp_path, 1, fault="wrong")["wrong", 0]
    assert run.status == "ok"
    assert run.check is not None
    assert not run.check.passed
    assert "check failed" in run.message


class OneByOne(Launcher):
    """Starts two ranks that do not know of each other, as a wrong pairing of launcher and MPI does."""

    name = "one by one"

    def command(self, scale: Scale, program: list[str]) -> list[str]:
        return ["sh", "-c", '"$@" & "$@"; wait', "sh", *program]


def test_ranks_that_do_not_know_each_other_are_a_failure_not_a_slow_result(tmp_path: Path) -> None:
    runs = measure(tmp_path, 2, launcher=OneByOne(), index=[0, 1])
    assert {run.status for run in runs.values()} == {"failed"}
    assert {"asked for 2 ranks, but MPI counted 1" in run.message for run in runs.values()} == {True}


class Nowhere(Launcher):
    name = "nowhere"

    def command(self, scale: Scale, program: list[str]) -> list[str]:
        return ["sh", "-c", "echo no nodes today >&2; exit 5"]


def test_ranks_that_never_start_leave_a_record_with_the_launcher_s_words(tmp_path: Path) -> None:
    runs = measure(tmp_path, 2, launcher=Nowhere(), index=[0, 1])
    assert {run.status for run in runs.values()} == {"failed"}
    assert all("exit code 5; no nodes today" in run.message for run in runs.values())


def test_cases_of_one_launch_run_in_one_set_of_processes(tmp_path: Path) -> None:
    runs = measure(tmp_path, 2, index=list(range(5)))
    assert len({run.launch.id for run in runs.values()}) == 1
    assert sorted(run.launch.position for run in runs.values()) == list(range(5))
    assert os.listdir(tmp_path / "launches" / "s") == []


class Listening(Silence):
    def __init__(self) -> None:
        self.told: list[str] = []

    def run_started(self, case: Case, doing: str = "") -> None:
        self.told.append(doing)


def test_what_takes_time_in_a_kernel_s_preparation_is_told_once(tmp_path: Path) -> None:
    observer = Listening()
    measure(tmp_path, 2, observer=observer, says="making a data set")
    assert [doing for doing in observer.told if "calibrating" not in doing] == ["", "making a data set"]


class Impatient(Silence):
    """Somebody who presses Ctrl-C as soon as the ranks are at work."""

    def run_started(self, case: Case, doing: str = "") -> None:
        raise KeyboardInterrupt


def test_an_interrupted_launch_leaves_neither_its_folder_nor_shared_memory(tmp_path: Path) -> None:
    before = set(Path("/dev/shm").glob("mpich_shm_*"))
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, 2, observer=Impatient(), fault=["hang"])
    assert not list((tmp_path / "launches").rglob("*.*"))
    # others may be starting ranks of theirs at this moment
    left = [path for path in set(Path("/dev/shm").glob("mpich_shm_*")) - before if not _is_mapped(path)]
    assert left == []


def _is_mapped(path: Path) -> bool:
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if str(path) in maps.read_text():
                return True
        except OSError:
            continue
    return not path.exists()


def test_of_a_failure_the_log_and_events_are_kept_and_of_a_killed_supervisor_nothing(tmp_path: Path) -> None:
    measure(tmp_path, 1, fault=["raise"])
    (folder,) = (tmp_path / "launches/s").iterdir()
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"output", "events"}
    plan = LaunchPlan(
        sweep="s", results=str(tmp_path), launch=LaunchInfo(id="x", repeat=0, launcher="mpiexec"), scale=Scale(),
        stack=Stack(), budget_s=1.0, synchronisation="barrier", code={}, runs=[],
    )  # fmt: skip
    in_a_job = msgspec.structs.replace(plan.launch, allocation="job")
    write_plan(tmp_path / "launches/s/here", plan)
    write_plan(tmp_path / "launches/s/there", msgspec.structs.replace(plan, launch=in_a_job))
    clear_interrupted(tmp_path, "s")
    assert {path.name for path in (tmp_path / "launches/s").iterdir()} == {folder.name, "there"}
