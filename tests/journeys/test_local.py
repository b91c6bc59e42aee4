"""The local road as a user types it: sweep, interrupt, go on, table; and what bad input gets."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

SCALEMARK = str(Path(sys.executable).with_name("scalemark"))
Scalemark = Callable[..., subprocess.CompletedProcess[str]]
Workers = Callable[[], list[psutil.Process]]
NAPS = ["sweep", "faulty", "--backend", "python", "--name", "naps", "--budget-s", "0.3", "--repeats", "2"]
SLOW_NAPS = [*NAPS, "--set", "index=0,1,2,3,4,5", "--set", "step_s=0.1"]


def records() -> set[Path]:
    return set(Path("results/runs/naps").glob("*/*.json"))


def start_slow_naps() -> subprocess.Popen[str]:
    """A sweep of some seconds, followed until it has measured two cases."""
    process = subprocess.Popen([SCALEMARK, *SLOW_NAPS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(records()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def test_a_sweep_ends_in_a_table_of_strong_scaling(scalemark: Scalemark) -> None:
    done = scalemark(*NAPS, "--ranks-per-node", "1,2", "--set", "step_s=0.05", "--format", "json")
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout)
    assert (one["ranks"], two["ranks"]) == (1, 2)
    assert one["status"] == two["status"] == "ok"
    assert one["launches"] == two["launches"] == 2
    assert one["median_s"] == pytest.approx(0.05, rel=0.3)
    assert one["speedup"] == one["efficiency"] == 1.0
    # `faulty` naps as long on two ranks and counts an item a rank
    assert two["speedup"] == pytest.approx(2, rel=0.3)
    assert two["efficiency"] == pytest.approx(1, rel=0.3)

    again = scalemark("table", "naps", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(again.stdout)))
    assert [float(row["median_s"]) for row in rows] == [one["median_s"], two["median_s"]]
    assert Path("results/tables/naps.csv").read_text().startswith("sweep,case_id,kernel,backend")


def test_interrupted_it_stops_its_ranks_keeps_what_is_done_and_goes_on(scalemark: Scalemark, workers: Workers) -> None:
    process = start_slow_naps()
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command goes on" in complaints
    assert not workers()
    kept = {path: path.stat().st_mtime_ns for path in records()}
    assert len(kept) >= 2

    status = scalemark("status", "naps", "--format", "json")
    assert status.returncode == 1
    assert sum(row["status"] == "missing" for row in json.loads(status.stdout)) > 0
    done = scalemark(*SLOW_NAPS, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {row["launches"] for row in json.loads(done.stdout)} == {2}
    assert len(records()) == 12
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_killed_outright_it_leaves_no_rank_behind_and_loses_only_the_case_in_flight(
    scalemark: Scalemark, workers: Workers
) -> None:
    process = start_slow_naps()
    process.kill()
    process.communicate()
    kept = records()
    deadline = time.monotonic() + 10
    while workers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not workers()
    assert scalemark(*SLOW_NAPS).returncode == 0
    assert kept <= records()
    assert len(records()) == 12


def test_a_failed_case_is_a_row_and_is_offered_again(scalemark: Scalemark) -> None:
    command = [*NAPS, "--set", "fault=none,exit"]
    done = scalemark(*command)
    assert done.returncode == 1
    assert "exit code 3" in done.stdout
    rows = json.loads(scalemark("table", "naps", "--format", "json").stdout)
    assert sorted(row["status"] for row in rows) == ["failed", "ok"]
    measured = len(records())
    assert scalemark(*command).returncode == 1
    assert len(records()) == measured + 2


def test_run_measures_one_more_launch_each_time(scalemark: Scalemark) -> None:
    for launches in (1, 2):
        done = scalemark("run", "faulty", "--budget-s", "0.05", "--format", "json")
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)
        assert row["launches"] == launches
    assert scalemark("run", "faulty", "--set", "fault=wrong", "--budget-s", "0.05").returncode == 1


def test_the_command_line_chooses_windows_for_a_sweep_file_and_the_record_says_so(
    scalemark: Scalemark, tmp_path: Path
) -> None:
    Path("sums.toml").write_text(
        'name = "sums"\nsynchronisation = "barrier"\nranks_per_node = [2]\nrepeats = 1\nbudget_s = 0.5\n'
        '[[cases]]\nkernel = "allreduce"\nbackend = "mpi"\n'
    )
    done = scalemark("sweep", "sums.toml", "--synchronisation", "window", "--format", "json")
    (path,) = tmp_path.glob("results/runs/sums/*/*.json")
    record = json.loads(path.read_bytes())
    (row,) = json.loads(done.stdout)
    assert record["synchronisation"] == "window", record["message"]
    assert len(record["window"]["clocks"]) == 2
    assert row["samples"] == len(record["samples_s"]) - len(record["missed_window"]) > 0


def test_a_backend_that_cannot_run_here_is_told_before_anything_is_written(scalemark: Scalemark) -> None:
    done = scalemark("run", "faulty", "--backend", "absent")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "scalemark: faulty on absent cannot run here: needs a machine that nobody has\n"
    done = scalemark("sweep", "faulty", "--backend", "absent,python", "--dry-run", "--format", "json")
    assert done.returncode == 0
    assert "faulty on absent cannot run here: needs a machine that nobody has" in done.stderr
    assert json.loads(done.stdout)[0]["parameters"]["fault"] == "none"
    assert not Path("results").exists()


def test_a_backend_that_cannot_run_where_the_ranks_are_is_a_row_that_says_so(scalemark: Scalemark) -> None:
    done = scalemark("sweep", "faulty", "--backend", "absent,python", "--repeats", "1", "--format", "json")
    assert done.returncode == 1
    absent, python = json.loads(done.stdout)
    assert (absent["status"], python["status"]) == ("unavailable", "ok")
    assert absent["message"].endswith("faulty on absent: needs a machine that nobody has")


def test_a_dry_run_shows_cases_and_time_and_measures_nothing(scalemark: Scalemark) -> None:
    done = scalemark(*SLOW_NAPS, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.count("faulty") == 6
    assert "12 runs lie ahead, at least about" in done.stdout
    assert not Path("results").exists()


def test_list_says_what_cannot_run_here_and_why(scalemark: Scalemark) -> None:
    done = scalemark("list", "--format", "json")
    backends = {(row["kernel"], row["backend"]): row for row in json.loads(done.stdout)}
    assert backends["faulty", "absent"]["available"] is False
    assert backends["faulty", "absent"]["reason"] == "needs a machine that nobody has"
    assert backends["allreduce", "mpi4py"]["available"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "allreduc"], ["did you mean 'allreduce'"]),
        (["run", "nowhere_at_all"], ["no kernel 'nowhere_at_all'", "allreduce"]),
        (["run", "nothing", "--backend", "c"], ["no backend 'c'", "python"]),
        (["run", "nothing", "--set", "index"], ["'index'", "NAME=VALUE"]),
        (["run", "nothing", "--set", "index=one"], ["index", "'one'", "int"]),
        (["run", "nothing", "--set", "index=-1"], ["index", ">= 0", "-1"]),
        (["run", "nothing", "--set", "message_bytes=1"], ["message_bytes", "right would be: index"]),
        (["run", "nothing", "--ranks-per-node", "999"], ["999 ranks", "cores"]),
        (["sweep", "nothing", "--nodes", "1,x"], ["'1,x'", "1,2,4"]),
        (["sweep", "missing.toml"], ["missing.toml", "No such file"]),
        (["sweep", "broken.toml"], ["broken.toml", "line 2"]),
        (["table"], ["results/runs", "not found"]),
        (["table", "nothing"], ["results/runs", "not found"]),
        (["run", "input_pipeline", "--set", "dataset=nowhere"], ["nowhere"]),
        (["run", "nothing", "--results", "broken.toml"], ["broken.toml"]),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    scalemark: Scalemark, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "broken.toml").write_text("name = 'a'\nmode = \n")
    done = scalemark(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(said) == 1
    for word in words:
        assert word in said[0]


def test_a_record_cut_in_half_is_named_and_the_rest_still_make_a_table(scalemark: Scalemark) -> None:
    assert scalemark(*NAPS, "--set", "index=0,1").returncode == 0
    victim = sorted(records())[0]
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    done = scalemark("table", "naps", "--format", "json")
    assert done.returncode == 1
    damage, reason = done.stderr.splitlines()
    assert victim.name in damage
    assert "exit code 1: 1 case failed, missing or wrong in naps" in reason
    assert len(json.loads(done.stdout)) == 2
    assert len(records()) == 4


def test_two_sweeps_of_one_name_do_not_disturb_each_other(scalemark: Scalemark) -> None:
    command = [*NAPS, "--set", "index=0,1", "--set", "fault=hang"]
    first = subprocess.Popen([SCALEMARK, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("results/launches/naps").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    second = scalemark(*command)
    assert second.returncode == 2
    assert "another process is measuring it" in second.stderr
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert first.returncode == 130
    assert not records()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk to fill")
def test_a_full_disk_is_told_and_loses_nothing(scalemark: Scalemark, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(results)], check=True)
    try:
        # naps, for how many steps fit in a record must not depend on the machine
        command = [*NAPS, "--repeats", "9", "--set", "index=0,1,2,3", "--set", "step_s=0.001"]
        done = scalemark(*command)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        kept = {path: path.read_bytes() for path in records()}
        assert kept
        subprocess.run(["mount", "-o", "remount,size=64m", str(results)], check=True)
        again = scalemark(*command, "--format", "json")
        assert again.returncode == 0, again.stderr
        assert {row["launches"] for row in json.loads(again.stdout)} == {9}
        assert {path: path.read_bytes() for path in kept} == kept
    finally:
        subprocess.run(["umount", str(results)], check=True)
