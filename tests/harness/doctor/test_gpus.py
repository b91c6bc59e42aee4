from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import gpus

QUIET = "0, NVIDIA H200, 570.86.15, 143771, 4, 0, Enabled, Default, Disabled"


def test_a_gpu_that_is_ready_is_one_line() -> None:
    (found,) = gpus.judge_devices(QUIET + "\n")
    assert (found.subject, found.severity) == ("GPU 0", "ok")
    assert found.found == "NVIDIA H200, 151 GB, driver 570.86.15"


@pytest.mark.parametrize(
    ("change", "subject", "severity"),
    [((" 4,", " 90000,"), "GPU 0 in use", "warning"), ((" 0,", " 97,"), "GPU 0 in use", "warning"),
     (("Default", "Prohibited"), "GPU 0 mode", "warning"), ((" Enabled", " Disabled"), "GPU 0 persistence", "note"),
     ((" Disabled", " Enabled"), "GPU 0 MIG", "note")],
)  # fmt: skip
def test_what_disturbs_a_gpu_is_told(change: tuple[str, str], subject: str, severity: str) -> None:
    _, found = gpus.judge_devices(QUIET.replace(*change))
    assert (found.subject, found.severity) == (subject, severity)


def test_fields_that_a_gpu_does_not_have_are_no_complaint() -> None:
    line = "1, Tesla T4, 550.1, 15360, [N/A], [N/A], Enabled, Default, [N/A]"
    assert [found.severity for found in gpus.judge_devices(line)] == ["ok"]


def test_no_driver_is_said_plainly(machine: Callable[[dict[str, str]], Path]) -> None:
    (found,) = gpus.examine_gpus(machine({}))
    assert found.severity == "ok"
    assert found.found.startswith("none")
