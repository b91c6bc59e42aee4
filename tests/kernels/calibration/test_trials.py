import time

import pytest

from kernels.calibration.trials import quickest_s


def test_the_quickest_of_all_trials_counts_when_there_is_time():
    naps_s = iter([0.02, 0.002, 0.01])
    assert quickest_s(lambda: time.sleep(next(naps_s)), 3, within_s=10) == pytest.approx(0.002, abs=0.006)
    assert next(naps_s, None) is None


def test_no_trial_but_the_first_begins_late():
    calls = []

    def work():
        calls.append(1)
        time.sleep(0.02)

    assert quickest_s(work, 100, within_s=0.05) >= 0.02
    assert 1 <= len(calls) <= 3
    calls.clear()
    quickest_s(work, 100, within_s=0)
    assert len(calls) == 1
