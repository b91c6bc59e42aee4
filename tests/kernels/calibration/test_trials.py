import pytest

from kernels.calibration import trials
from kernels.calibration.trials import quickest_s


@pytest.fixture
def work(monkeypatch):
    """Work of given seconds, by a clock that nothing else moves; the seconds that are left."""

    def make(*naps_s):
        now_s, left_s = [0.0], list(naps_s)

        def nap():
            now_s[0] += left_s.pop(0)

        monkeypatch.setattr(trials, "perf_counter", lambda: now_s[0])
        return nap, left_s

    return make


def test_the_quickest_of_all_trials_counts_when_there_is_time(work):
    nap, left_s = work(0.02, 0.002, 0.01)
    assert quickest_s(nap, 3, within_s=10) == pytest.approx(0.002)
    assert left_s == []


def test_no_trial_but_the_first_begins_late(work):
    nap, left_s = work(*[0.02] * 100)
    assert quickest_s(nap, 100, within_s=0.05) == pytest.approx(0.02)
    assert len(left_s) == 97
    nap, left_s = work(*[0.02] * 100)
    quickest_s(nap, 100, within_s=0)
    assert len(left_s) == 99
