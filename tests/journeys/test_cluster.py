"""The road through a real Slurm, and every way in which a cluster lets one down: each line of docs/faults.md.

Run by `nox -s cluster`, which puts up four pretend nodes on this machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

SCRIPTS = Path(__file__).parent.parent / "cluster"
SCALEMARK = str(Path(sys.executable).with_name("scalemark"))
Scalemark = Callable[..., subprocess.CompletedProcess[str]]
SITE = ["--site", "./site.toml"]


@pytest.fixture(autouse=True)
def site(scalemark: Scalemark, tmp_path: Path) -> Iterator[None]:
    """A site for the pretend cluster, in the test's own folder; whatever the test broke is put up again."""
    write_site()
    yield
    for job in active_jobs():
        subprocess.run(["scancel", job], check=False)
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


def rows(*arguments: str) -> dict[tuple[str, int], dict[str, object]]:
    """The table's rows by fault and index."""
    done = subprocess.run(
        [SCALEMARK, "table", "s", "--format", "json", *arguments], capture_output=True, text=True, timeout=60
    )
    return {(row["parameters"]["fault"], row["parameters"]["index"]): row for row in json.loads(done.stdout)}


def active_jobs() -> list[str]:
    done = subprocess.run(["squeue", "--noheader", "--format=%A"], capture_output=True, text=True, timeout=60)
    return done.stdout.split()


def wait_until(condition: Callable[[], object], limit_s: float = 120) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def hung() -> bool:
    """A rank of the detached sweep is at the case that hangs."""
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


def test_a_script_submitted_by_hand_measures_the_same(scalemark: Scalemark) -> None:
    assert scalemark(*sweep_of(index="0,1"), timeout=300).returncode == 0
    (script,) = Path("results/jobs/s").glob("*/job.sh")
    for record in Path("results/runs/s").glob("*/*.json"):
        record.unlink()
    subprocess.run(["sbatch", "--wait", str(script)], check=True, capture_output=True, timeout=200)
    assert {row["status"] for row in rows().values()} == {"ok"}


def test_cases_that_break_are_rows_and_the_others_are_measured(scalemark: Scalemark) -> None:
    faults = ["none", "raise", "exit", "segfault", "kill", "memory", "hang"]
    done = scalemark(*sweep_of(fault=",".join(faults), rank=1), "--limit-s", "8", timeout=380)
    assert done.returncode == 1
    found = {fault: row for (fault, _), row in rows().items()}
    assert {fault: row["status"] for fault, row in found.items()} == {
        "none": "ok", "raise": "failed", "exit": "failed", "segfault": "failed", "kill": "failed",
        "memory": "out_of_memory", "hang": "timeout",
    }  # fmt: skip
    assert "the step went wrong" in str(found["raise"]["message"])
    assert "exit code 3" in str(found["exit"]["message"])
    assert "time limit" in str(found["hang"]["message"])
    assert not active_jobs()


def test_a_rank_that_takes_more_memory_than_its_job_has_is_told(scalemark: Scalemark) -> None:
    write_site(options=["--mem=400M"])
    assert scalemark(*sweep_of(fault="hoard,none", rank=1), timeout=300).returncode == 1
    found = {fault: row for (fault, _), row in rows().items()}
    assert found["hoard"]["status"] == "out_of_memory"
    assert found["none"]["status"] in ("ok", "out_of_memory")


def test_a_job_that_passes_its_time_limit_is_told_and_offered_again(scalemark: Scalemark) -> None:
    write_site(job_limit_s=60)
    done = scalemark(*sweep_of(fault="hang,none", index=0), "--limit-s", "1000", timeout=380)
    assert done.returncode == 1
    hang = rows()["hang", 0]
    assert hang["status"] == "timeout"
    assert "the job reached its time limit while this case was measured" in str(hang["message"])
    assert rows()["none", 0]["status"] in ("ok", "timeout")


def test_a_cancelled_job_is_told_and_the_same_sweep_goes_on(scalemark: Scalemark) -> None:
    command = sweep_of(step_s=3)
    assert scalemark(*command, "--detach").returncode == 0
    wait_until(hung)
    subprocess.run(["scancel", *active_jobs()], check=True)
    wait_until(lambda: not active_jobs())
    status = scalemark("status", "s", "--format", "json")
    assert status.returncode == 1
    (row,) = json.loads(status.stdout)
    assert row["status"] == "cancelled"
    assert "the job was cancelled while this case was measured" in row["message"]
    assert scalemark(*command, timeout=300).returncode == 0
    assert [row["status"] for row in rows().values()] == ["ok"]


def test_a_job_cancelled_before_it_starts_is_told(scalemark: Scalemark) -> None:
    blocker = subprocess.run(
        ["sbatch", "--parsable", "--nodes=4", "--exclusive", "--wrap", "sleep 60"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert scalemark(*sweep_of(), "--detach").returncode == 0
    waiting = scalemark("status", "s")
    assert "pending" in waiting.stdout
    subprocess.run(["scancel", *(job for job in active_jobs() if job != blocker), blocker], check=True)
    wait_until(lambda: not active_jobs())
    scalemark("status", "s")
    assert "the job was cancelled" in str(rows()["none", 0]["message"])
    assert "before this case began" in str(rows()["none", 0]["message"])


def test_a_node_that_dies_in_the_middle_of_a_case_is_told(scalemark: Scalemark) -> None:
    process = subprocess.Popen(
        [SCALEMARK, *sweep_of(fault="hang,none")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until(hung)
    nodes = subprocess.run(["squeue", "--noheader", "--format=%N"], capture_output=True, text=True).stdout.strip()
    last = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True).stdout.split()[-1]
    os.kill(int(Path(f"/run/slurm/slurmd.{last}.pid").read_text()), signal.SIGKILL)
    process.communicate(timeout=200)
    assert process.returncode == 1
    statuses = {row["status"] for row in rows().values()}
    assert "node_failure" in statuses
    assert statuses <= {"node_failure", "ok"}


def test_a_controller_that_is_down_for_a_while_is_waited_for(scalemark: Scalemark) -> None:
    command = [SCALEMARK, *sweep_of(index="0,1", step_s=1), "--format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(hung)
    os.kill(int(Path("/run/slurm/slurmctld.pid").read_text()), signal.SIGTERM)
    time.sleep(5)
    assert process.poll() is None
    assert scalemark("status", "s").returncode in (0, 1)
    subprocess.run([str(SCRIPTS / "start-slurm.sh")], check=True, capture_output=True, timeout=120)
    answer, complaints = process.communicate(timeout=200)
    assert process.returncode == 0, complaints
    assert {row["status"] for row in json.loads(answer)} == {"ok"}


def test_a_launcher_and_an_mpi_that_do_not_know_each_other_are_a_failure(scalemark: Scalemark) -> None:
    write_site(pmi="none")
    assert scalemark(*sweep_of(), timeout=300).returncode == 1
    row = rows()["none", 0]
    assert row["status"] == "failed"
    assert "asked for 2 ranks, but MPI counted 1" in str(row["message"])


def test_who_waits_may_vanish_and_the_jobs_go_on(scalemark: Scalemark) -> None:
    process = subprocess.Popen(
        [SCALEMARK, *sweep_of(index="0,1")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: list(Path("results/jobs").glob("*/*/job.json")))
    process.kill()
    process.wait()
    wait_until(lambda: not active_jobs())
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
