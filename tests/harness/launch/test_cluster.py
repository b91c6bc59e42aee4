from __future__ import annotations

from pathlib import Path

import pytest

from harness.case import Scale
from harness.launch import cluster, slurm
from harness.launch.plan import Launch
from harness.launch.site import Site
from harness.launch.supervisor import Setting
from harness.store.record import Stack
from kernels.api import InputError


def test_a_scheduler_that_does_not_answer_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(folder: Path) -> str:
        raise slurm.SchedulerDown("sbatch gave no answer in 120 s")

    monkeypatch.setattr(slurm, "submit", no_answer)
    launch = Launch(scale=Scale(nodes=2), stack=Stack(), repeat=0, cases=[])
    setting = Setting(results=tmp_path, sweep="s", budget_s=1.0, limit_s=60.0, code={})
    with pytest.raises(InputError, match=r"Slurm does not answer: sbatch gave no answer in 120 s; once it does"):
        cluster.submit([launch], Site(), setting)
