"""The road through a real Slurm, and every way in which a cluster lets one down: each line of docs/faults.md.

Run by `nox -s cluster`, which puts up four pretend nodes on this machine.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.case import Scale
from harness.cli import cli
from harness.launch import slurm
from harness.launch.jobs import JobPlan
from harness.launch.plan import Launch
from harness.launch.site import Site
from harness.store.record import Stack

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

SCRIPTS = Path(__file__).parent.parent / "cluster"
SCALEMARK = str(Path(sys.executable).with_name("scalemark"))
Scalemark = Callable[..., subprocess.CompletedProcess[str]]
SITE = ["--site", "./site.toml"]


@pytest.fixture(autouse=True)
def site(scalemark: Scalemark) -> Iterator[None]:
    """A site for the pretend cluster, in the test's own folder; no job of the test stays."""
    write_site()
    yield
    for job in own_jobs():
        subprocess.run(["scancel", job], check=False)


@pytest.fixture
def mended() -> Iterator[None]:
    """Puts up again what the test breaks of Slurm."""
    yield
    start_slurm()


@pytest.fixture
def all_nodes() -> None:
    """All four are in service: Slurm takes one out where a job's processes do not end in time."""
    start_slurm()


@pytest.fixture(scope="module")
def overdue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose sweep is about to pass the shortest time limit there is; nobody waits for it meanwhile."""
    folder = tmp_path_factory.mktemp("overdue")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_site(job_limit_s=60)
        patch.setenv("SCALEMARK_KERNELS", "faulty=faulty:KERNEL")
        patch.setenv("PYTHONPATH", str(SCRIPTS.parent / "support"))
        subprocess.run([SCALEMARK, *OVERDUE, "--detach"], check=True, capture_output=True, timeout=60)
    return folder


def start_slurm() -> None:
    subprocess.run([str(SCRIPTS / "start-slurm.sh")], check=True, capture_output=True, timeout=120)


def write_site(**settings: object) -> None:
    # ranks of all pretend nodes share two cores: a rank that waits gives way at once
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"partition": "debug", **settings}.items()]
    Path("site.toml").write_text("\n".join([*lines, "[environment]", 'MPIR_CVAR_POLLS_BEFORE_YIELD = "1"', ""]))


def sweep_of(**axes: object) -> list[str]:
    """A sweep of the kernel `faulty` on two nodes."""
    settings = [f"--set={name}={value}" for name, value in axes.items()]
    return [
        "sweep",
        "faulty",
        "--backend=python",
        "--name=s",
        "--nodes=2",
        "--repeats=1",
        "--budget-s=0.05",
        *settings,
        *SITE,
    ]


# two cases of which one is under way and the other still waits when time is up
OVERDUE = sweep_of(index="0,1", step_s=3600)


def rows() -> dict[tuple[str, int], dict[str, Any]]:
    """The table's rows by fault and index."""
    return {(row["parameters"]["fault"], row["parameters"]["index"]): row for row in ask("table", "s")}


def ahead(command: list[str]) -> set[tuple[str, int]]:
    """What the same command would measure, by fault and index."""
    plan = ask(*command, "--dry-run")
    return {(row["parameters"]["fault"], row["parameters"]["index"]) for row in plan if row["runs"]}


def ask(*command: str) -> list[dict[str, Any]]:
    """What a command that only reads prints; asked in this process, for starting one takes longer than the answer."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        cli.main([*command, "--format", "json"], standalone_mode=False)
    return json.loads(told.getvalue())


def records() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("results/runs/s").glob("*/*.json")}


def own_jobs(state: str = "") -> list[str]:
    """Jobs that were submitted from the working directory and are not over, or those in one state."""
    command = ["squeue", "--noheader", "--format=%A %Z", *([f"--states={state}"] if state else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    rows = [line.partition(" ") for line in done.stdout.splitlines()]
    return [job for job, _, folder in rows if folder == os.getcwd()]


def scontrol(*words: str) -> str:
    return subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=60, check=True).stdout


def wait_until(condition: Callable[[], object], limit_s: float = 120) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def has_begun() -> bool:
    """A case of the sweep is under way."""
    return any('"case_id":"faulty' in path.read_text() for path in Path("results/jobs").glob("*/*/progress.jsonl"))


def test_a_sweep_over_nodes_ends_in_a_table_and_is_measured_once(scalemark: Scalemark) -> None:
    command = [
        "sweep",
        "faulty",
        "--backend=python",
        "--name=s",
        "--nodes=1,2,4",
        "--repeats=1",
        "--budget-s=0.1",
        *SITE,
    ]
    done = scalemark(*command, "--format", "json", timeout=300)
    assert done.returncode == 0, done.stderr
    assert [(row["nodes"], row["ranks"], row["status"]) for row in json.loads(done.stdout)] == [
        (1, 1, "ok"), (2, 2, "ok"), (4, 4, "ok"),
    ]  # fmt: skip
    scripts = list(Path("results/jobs/s").glob("*/job.sh"))
    assert len(scripts) == 3
    assert all(len(path.read_text().splitlines()) < 20 for path in scripts)
    again = scalemark(*command)
    assert again.returncode == 0
    assert len(list(Path("results/jobs/s").glob("*/job.sh"))) == 3


# from here on its job waits for its time limit, beside those of other tests
@pytest.mark.usefixtures("overdue")
def test_cases_of_unequal_ranks_and_threads_fit_nodes_that_fit_each(scalemark: Scalemark) -> None:
    Path("shapes.toml").write_text(
        'name = "shapes"\nrepeats = 1\nbudget_s = 0.05\n'
        '[[cases]]\nkernel = "faulty"\nbackend = "python"\nranks_per_node = [2]\nthreads = [1]\n'
        '[[cases]]\nkernel = "faulty"\nbackend = "python"\nranks_per_node = [1]\nthreads = [2]\n'
    )
    done = scalemark("sweep", "shapes.toml", *SITE, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {(row["ranks"], row["threads"]) for row in json.loads(done.stdout)} == {(2, 1), (1, 2)}


def test_a_job_submitted_by_hand_is_known_and_measures_the_same(
    scalemark: Scalemark, monkeypatch: pytest.MonkeyPatch
) -> None:
    # whom Slurm knows by number only, as after sudo
    monkeypatch.setenv("LOGNAME", "nobody")
    monkeypatch.setenv("USER", "nobody")
    command = sweep_of(index="0,1", step_s=1)
    assert scalemark(*command, "--detach").returncode == 0
    subprocess.run(["scancel", *own_jobs()], check=True)
    wait_until(lambda: not own_jobs())
    scalemark("status", "s")
    assert ahead(command) == {("none", 0), ("none", 1)}
    (folder,) = Path("results/jobs/s").iterdir()
    subprocess.run(["sbatch", str(folder / "job.sh")], check=True, capture_output=True, timeout=60)
    wait_until(lambda: own_jobs("running") and '"outcome":""' in (folder / "job.json").read_text())
    assert ahead(command) == set()
    done = scalemark(*command, timeout=300)
    assert done.returncode == 0, done.stderr
    assert list(Path("results/jobs/s").iterdir()) == [folder]


def test_a_job_whose_number_nobody_kept_is_found(scalemark: Scalemark) -> None:
    write_site(options=["--hold"])
    command = sweep_of()
    assert scalemark(*command, "--detach").returncode == 0
    (ticket,) = Path("results/jobs/s").glob("*/job.json")
    ticket.unlink()
    assert ahead(command) == set()
    assert json.loads(ticket.read_text())["job_id"] in own_jobs()


HOSTILE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), max_size=40) | (
    st.sampled_from(["$(touch canary)", "`touch canary`", "';touch canary;'", '"$HOME"', "%j %u %%", "#", " -n", "''"])
)
NAME = HOSTILE.filter(lambda text: text not in ("", ".", "..") and len(text.encode()) < 100)


@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(NAME, min_size=8, max_size=8, unique=True))
def test_sbatch_reads_hostile_paths_as_they_are(tmp_path: Path, names: list[str]) -> None:
    launch = Launch(scale=Scale(), stack=Stack(), repeat=0, cases=[])
    plan = JobPlan(
        sweep="s", results=str(tmp_path), nodes=1, budget_s=1, limit_s=60, code={}, launches=[launch],
        site=Site(partition="debug", python="/bin/true"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=tmp_path) as jobs:
        folders = [Path(jobs, name, "s-n1") for name in names]
        for folder in folders:
            folder.mkdir(parents=True)
            (folder / "job.sh").write_text(slurm.script(folder, plan))
            subprocess.run(["sbatch", str(folder / "job.sh")], check=True, capture_output=True, timeout=60)
        wait_until(lambda: not own_jobs())
        assert all((folder / "job.log").exists() for folder in folders)
    assert not (tmp_path / "canary").exists()


def test_cases_that_break_are_rows_and_the_others_are_measured(scalemark: Scalemark) -> None:
    faults = ["none", "raise", "exit", "segfault", "kill", "memory", "hang"]
    command = sweep_of(fault=",".join(faults), rank=1)
    done = scalemark(*command, "--limit-s", "8", timeout=380)
    assert done.returncode == 1
    found = {fault: row for (fault, _), row in rows().items()}
    assert {fault: row["status"] for fault, row in found.items()} == {
        "none": "ok", "raise": "failed", "exit": "failed", "segfault": "failed", "kill": "failed",
        "memory": "out_of_memory", "hang": "timeout",
    }  # fmt: skip
    assert "the step went wrong" in str(found["raise"]["message"])
    assert "exit code 3" in str(found["exit"]["message"])
    assert "time limit" in str(found["hang"]["message"])
    assert not own_jobs()
    assert ahead(command) == {(fault, 0) for fault in faults if fault != "none"}


def test_a_rank_that_takes_more_memory_than_its_job_has_is_told(scalemark: Scalemark) -> None:
    write_site(options=["--mem=400M"])
    command = sweep_of(fault="hoard,none", rank=1)
    assert scalemark(*command, timeout=300).returncode == 1
    found = {fault: row for (fault, _), row in rows().items()}
    assert found["hoard"]["status"] == "out_of_memory"
    assert found["none"]["status"] in ("ok", "out_of_memory")
    assert ahead(command) == {(fault, 0) for fault, row in found.items() if row["status"] != "ok"}


def test_a_job_that_passes_its_time_limit_is_told_and_offered_again(
    scalemark: Scalemark, overdue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(overdue)
    wait_until(lambda: not own_jobs())
    assert scalemark("status", "s").returncode == 1
    found = rows()
    assert {row["status"] for row in found.values()} == {"timeout"}
    measured, waiting = sorted(str(row["message"]) for row in found.values())[::-1]
    assert "the job reached its time limit while this case was measured" in measured
    assert "the job reached its time limit before this case began" in waiting
    assert ahead(OVERDUE) == set(found)


def test_a_cancelled_job_is_told_and_the_same_sweep_goes_on(scalemark: Scalemark) -> None:
    command = sweep_of(step_s=1)
    assert scalemark(*command, "--detach").returncode == 0
    wait_until(has_begun)
    subprocess.run(["scancel", *own_jobs()], check=True)
    wait_until(lambda: not own_jobs())
    status = scalemark("status", "s", "--format", "json")
    assert status.returncode == 1
    (row,) = json.loads(status.stdout)
    assert row["status"] == "cancelled"
    assert "the job was cancelled while this case was measured" in row["message"]
    assert not list(Path("results/launches/s").iterdir())
    assert ahead(command) == {("none", 0)}
    assert scalemark(*command, timeout=300).returncode == 0
    assert [row["status"] for row in rows().values()] == ["ok"]


@pytest.mark.usefixtures("all_nodes")
def test_a_job_cancelled_before_it_starts_is_told(scalemark: Scalemark) -> None:
    blocker = subprocess.run(
        ["sbatch", "--parsable", "--nodes=4", "--exclusive", "--wrap", "sleep 60"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    command = sweep_of()
    assert scalemark(*command, "--detach").returncode == 0
    waiting = scalemark("status", "s")
    assert "pending" in waiting.stdout
    (row,) = ask("status", "s")
    assert (row["status"], row["job_state"]) == ("missing", "pending")
    assert row["job"] in own_jobs()
    assert ahead(command) == set()
    subprocess.run(["scancel", *(job for job in own_jobs() if job != blocker), blocker], check=True)
    wait_until(lambda: not own_jobs())
    scalemark("status", "s")
    assert "the job was cancelled" in str(rows()["none", 0]["message"])
    assert "before this case began" in str(rows()["none", 0]["message"])
    assert ahead(command) == {("none", 0)}


@pytest.mark.usefixtures("all_nodes")
@pytest.mark.parametrize("partition", ["debug", "spare"])
def test_a_job_that_is_requeued_goes_on_where_its_records_end(scalemark: Scalemark, partition: str) -> None:
    write_site(partition=partition, options=["--requeue"])
    command = sweep_of(index="0,1,2", step_s=1)
    assert scalemark(*command, "--detach").returncode == 0
    wait_until(records)
    kept = records()
    (job,) = own_jobs()
    if partition == "spare":
        give_way()
    else:
        scontrol("requeue", job)
    wait_until(lambda: own_jobs("pending"))
    assert ahead(command) == set()
    # Slurm lets two minutes pass before a requeued job starts again
    scontrol("update", f"JobId={job}", "StartTime=now")
    done = scalemark(*command, timeout=300)
    assert done.returncode == 0, done.stderr
    assert kept.items() <= records().items()
    assert len(records()) == 3
    assert not list(Path("results/launches/s").iterdir())
    assert len(list(Path("results/jobs/s").iterdir())) == 1
    assert ahead(command) == set()


@pytest.mark.usefixtures("all_nodes")
def test_a_job_that_is_preempted_for_good_is_told_and_offered_again(scalemark: Scalemark) -> None:
    write_site(partition="spare")
    command = sweep_of(step_s=3600)
    assert scalemark(*command, "--detach").returncode == 0
    wait_until(has_begun)
    give_way()
    wait_until(lambda: not own_jobs())
    assert scalemark("status", "s").returncode == 1
    row = rows()["none", 0]
    assert row["status"] == "cancelled"
    assert "the job was preempted while this case was measured" in str(row["message"])
    assert ahead(command) == {("none", 0)}


def give_way() -> None:
    """Have a job of a partition that comes first take all nodes for a moment."""
    first = ["sbatch", "--wait", "--nodes=4", "--exclusive", "--chdir=/", "--output=/dev/null", "--wrap", "true"]
    subprocess.run(first, check=True, capture_output=True, timeout=120)


@pytest.mark.usefixtures("mended")
def test_a_node_that_dies_in_the_middle_of_a_case_is_told(scalemark: Scalemark) -> None:
    command = sweep_of(index="0,1", step_s=3600)
    process = subprocess.Popen([SCALEMARK, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(has_begun)
    (job,) = own_jobs()
    nodes = subprocess.run(["squeue", "--noheader", f"--jobs={job}", "--format=%N"], capture_output=True, text=True)
    last = scontrol("show", "hostnames", nodes.stdout.strip()).split()[-1]
    os.kill(int(Path(f"/run/slurm/slurmd.{last}.pid").read_text()), signal.SIGKILL)
    process.communicate(timeout=200)
    assert process.returncode == 1
    assert {row["status"] for row in rows().values()} == {"node_failure"}
    assert ahead(command) == {("none", 0), ("none", 1)}


@pytest.mark.usefixtures("mended")
def test_a_controller_that_is_down_for_a_while_is_waited_for(scalemark: Scalemark) -> None:
    command = sweep_of(step_s=8)
    process = subprocess.Popen(
        [SCALEMARK, *command, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(has_begun)
    os.kill(int(Path("/run/slurm/slurmctld.pid").read_text()), signal.SIGTERM)
    again = scalemark(*command, "--dry-run")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("scalemark: Slurm does not answer: ")
    assert again.stderr.count("\n") == 1
    status = scalemark("status", "s")
    # the case may have been measured by now
    assert status.returncode in (0, 1)
    assert "jobs are left out: Slurm does not answer" in status.stderr
    assert process.poll() is None
    start_slurm()
    answer, complaints = process.communicate(timeout=200)
    assert process.returncode == 0, complaints
    assert {row["status"] for row in json.loads(answer)} == {"ok"}
    assert ahead(command) == set()


def test_a_launcher_and_an_mpi_that_do_not_know_each_other_are_a_failure(scalemark: Scalemark) -> None:
    write_site(pmi="none")
    command = sweep_of()
    assert scalemark(*command, timeout=300).returncode == 1
    row = rows()["none", 0]
    assert row["status"] == "failed"
    assert "asked for 2 ranks, but MPI counted 1" in str(row["message"])
    assert ahead(command) == {("none", 0)}


def test_a_job_whose_setup_fails_measures_nothing_and_says_where_to_look(scalemark: Scalemark) -> None:
    write_site(script=["ulimit -n 1000000000"])
    assert scalemark(*sweep_of()).returncode == 1
    message = str(rows()["none", 0]["message"])
    assert "the job failed before this case began" in message
    (log,) = Path("results/jobs/s").glob("*/job.log")
    assert str(log.resolve()) in message
    assert "open files" in log.read_text()


def test_who_waits_may_vanish_and_the_jobs_go_on(scalemark: Scalemark) -> None:
    process = subprocess.Popen(
        [SCALEMARK, *sweep_of(index="0,1")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: list(Path("results/jobs").glob("*/*/job.json")))
    process.kill()
    process.wait()
    wait_until(lambda: not own_jobs())
    assert scalemark("status", "s").returncode == 0
    again = scalemark(*sweep_of(index="0,1"))
    assert again.returncode == 0
    assert len(list(Path("results/jobs/s").glob("*/job.sh"))) == 1


def test_what_slurm_refuses_is_told_in_its_own_words(scalemark: Scalemark) -> None:
    write_site(partition="nowhere")
    done = scalemark(*sweep_of())
    assert done.returncode == 2
    assert "Slurm refuses the job" in done.stderr
    assert "invalid partition" in done.stderr.lower()
    write_site()
    done = scalemark("sweep", "faulty", "--backend=python", "--nodes=99", *SITE)
    assert done.returncode == 2
