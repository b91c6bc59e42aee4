import numpy as np
import pytest

from harness.analyse.self_test import self_test
from harness.analyse.side import read_side
from harness.store.write import write_record
from kernels.api import InputError


@pytest.fixture
def side(tmp_path, make_case, make_record):
    def write(times):
        for case, launches in enumerate(times):
            for repeat, value in enumerate(launches):
                write_record(tmp_path, make_record(make_case(problem=f"{case:08x}"), [float(value)], repeat))
        return read_side(str(tmp_path), tmp_path)

    return write


def test_a_steady_machine_raises_no_alarm_and_settles_everything(side):
    times = np.exp(np.random.default_rng(0).normal(0, 0.003, (20, 10)))
    result = self_test(side(times), 0.05)
    assert (result.slower, result.faster, result.quiet_splits) == (0.0, 0.0, 1.0)
    assert result.same == 1.0
    assert (result.cases, result.launches_a_side) == (20, 5)
    assert result.launch_variation == pytest.approx(0.003, rel=0.3)


def test_launches_that_differ_wildly_leave_identical_code_undecided(side):
    times = np.exp(np.random.default_rng(0).normal(0, 0.2, (20, 10)))
    result = self_test(side(times), 0.05)
    assert result.inconclusive > 0.9
    assert result.slower <= 0.01


def test_the_same_seed_splits_alike(side):
    found = side(np.exp(np.random.default_rng(0).normal(0, 0.05, (5, 6))))
    assert self_test(found, 0.05) == self_test(found, 0.05)


def test_three_launches_cannot_be_split(side):
    with pytest.raises(InputError, match="no case has 4 launches"):
        self_test(side([[1.0, 1.0, 1.0]]), 0.05)
