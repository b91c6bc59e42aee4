import numpy as np
import pytest
from scipy.optimize import nnls

from harness.analyse.laws import fitting
from harness.analyse.laws.models import AMDAHL, CONSTANT

RANKS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


def test_nonnegative_fits_are_scipys():
    generator = np.random.default_rng(0)
    columns = generator.random((20, 6, 3))
    values = columns @ generator.standard_normal(3) + generator.standard_normal((20, 6)) + 5
    found = fitting.fit_nonnegative(columns, values)
    for own, design, target in zip(found, columns, values, strict=True):
        assert own == pytest.approx(nnls(design / target[:, None], np.ones(6))[0], abs=1e-8)
    assert (found == 0).any()


def test_a_left_out_point_has_no_weight():
    times_s = 0.1 + 0.9 / RANKS
    spoilt_s = np.where(RANKS == 4, 100.0, times_s)
    assert fitting.fit(AMDAHL, RANKS, spoilt_s, (RANKS != 4).astype(float)) == pytest.approx([0.1, 0.9])


def test_leave_one_out_error_is_none_for_the_law_itself_and_large_for_another():
    times_s = 0.1 + 0.9 / RANKS
    assert fitting.leave_one_out(AMDAHL, RANKS, times_s) == pytest.approx(np.zeros(5), abs=1e-9)
    assert fitting.leave_one_out(CONSTANT, RANKS, times_s).mean() > 0.3
    assert fitting.predict(AMDAHL, np.array([100.0]), np.array([0.1, 0.9])) == pytest.approx([0.109])


def test_replicates_lie_around_the_typical_launch_as_far_as_the_launches_tell():
    launches_s = [[1.0, 1.1, 0.9, 1.05], [2.0, 2.0, 2.0, 2.0]]
    drawn = np.log(fitting.replicate_s(launches_s, 20_000))
    assert drawn.mean(axis=0) == pytest.approx([np.log(fitting.centre_s(values)) for values in launches_s], abs=2e-3)
    own, pooled = np.var(np.log(launches_s[0]), ddof=1), np.var(np.log(launches_s[0]), ddof=1) / 2
    # six degrees of freedom: Student's 2.4469 over the normal 1.95996
    expected = np.sqrt([(own + pooled) / 8, pooled / 8]) * 2.446912 / 1.959964
    assert drawn.std(axis=0) == pytest.approx(expected, rel=0.03)
    assert (fitting.replicate_s(launches_s) == fitting.replicate_s(launches_s)).all()
