import pytest

from harness.doctor.energy import examine_counters, judge_counters


@pytest.mark.parametrize(("packages", "gpus", "severity"), [(0, 0, "note"), (2, 0, "ok"), (0, 4, "ok")])
def test_a_machine_that_does_not_tell_its_energy_is_noted(packages, gpus, severity):
    assert judge_counters(packages, gpus).severity == severity


def test_this_machine_has_an_answer():
    (finding,) = examine_counters()
    assert finding.found
