"""Whatever is killed at whatever moment: nothing measured is lost, torn or measured twice, and nobody is left over.

SCALEMARK_KILLS sets how many times.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.store.read import Run, read_runs

SCALEMARK = str(Path(sys.executable).with_name("scalemark"))
KILLS = int(os.environ.get("SCALEMARK_KILLS", "20"))
# more than are measured between so many kills
CASES = 4 * KILLS
COMMAND = [
    SCALEMARK, "sweep", "faulty", "--backend", "python", "--name", "s", "--ranks-per-node", "2", "--repeats", "1",
    "--budget-s", "0.2", "--set", "step_s=0.01", "--set", f"index={','.join(map(str, range(CASES)))}",
]  # fmt: skip


def start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_someone(supervisor: subprocess.Popen[bytes], chance: random.Random) -> str | None:
    """SIGKILL the supervisor, its launcher or one of the ranks, as soon as there is one; says whom."""
    role = chance.choice(["supervisor", "launcher", "rank"])
    while supervisor.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            family = psutil.Process(supervisor.pid).children(recursive=True)
            members = {
                "supervisor": [supervisor.pid],
                "launcher": [member.pid for member in family if member.name().startswith(("mpiexec", "hydra"))],
                "rank": [member.pid for member in family if member.name().startswith("python")],
            }[role]
            if members:
                os.kill(chance.choice(members), signal.SIGKILL)
                return role
        time.sleep(0.01)
    return None


def good_runs() -> dict[str, tuple[Run, bytes]]:
    runs, damages = read_runs(Path("results/runs/s"))
    assert damages == []
    return {
        run.run_id + run.case.id: (run, Path("results/runs/s", run.case.id, f"{run.run_id}.json").read_bytes())
        for run in runs
        if run.status == "ok"
    }


@pytest.mark.timeout(60 + 12 * KILLS)
@pytest.mark.usefixtures("with_faulty")
def test_kills_at_random_moments_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Callable[[], list[psutil.Process]]
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(1)
    killed: Counter[str] = Counter()
    kept: dict[str, tuple[Run, bytes]] = {}
    supervisor = start()
    while killed.total() < KILLS:
        time.sleep(chance.uniform(0.3, 1.5))
        if role := kill_someone(supervisor, chance):
            killed[role] += 1
        if supervisor.poll() is not None:
            found = good_runs() if Path("results/runs/s").exists() else {}
            assert {key: content for key, (_, content) in found.items() if key in kept} == {
                key: content for key, (_, content) in kept.items()
            }
            kept = found
            supervisor = start()
    supervisor.wait()

    for _ in range(3):
        if subprocess.run(COMMAND, capture_output=True).returncode == 0:
            break
    counts = Counter(run.case.id for run, _ in good_runs().values())
    assert len(counts) == CASES
    assert set(counts.values()) == {1}
    assert kept.keys() <= good_runs().keys()
    deadline = time.monotonic() + 10
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers()
    assert len(killed) == 3
