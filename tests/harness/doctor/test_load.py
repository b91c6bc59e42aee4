from __future__ import annotations

from harness.doctor.load import Busy, judge_load


def test_the_background_of_any_system_is_fine() -> None:
    assert judge_load([Busy(1, "init", 0.02), Busy(2, "sshd", 0.01)], cores=2).severity == "ok"


def test_who_takes_cores_is_named_greatest_first() -> None:
    busy = [Busy(1, "init", 0.0), Busy(20, "small", 0.3), Busy(21, "great", 1.0)]
    found = judge_load(busy, cores=4)
    assert found.severity == "warning"
    assert found.found == "1.30 of 4 cores busy: great (21) 1.00, small (20) 0.30"
