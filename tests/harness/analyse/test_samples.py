import msgspec
import numpy as np
import pytest

from harness.analyse.samples import examine_sweep
from harness.analyse.tabulate import make_table
from harness.store.manifest import write_manifest
from harness.store.write import write_record


@pytest.fixture
def examine(tmp_path, make_case, make_record, make_sweep):
    """The sample row of one case from its launches' samples and its ranks' medians."""

    def made(launches, rank_medians_s=None, **settings):
        case = make_case(2)
        write_manifest(tmp_path, make_sweep([case]))
        for repeat, samples_s in enumerate(launches):
            medians_s = rank_medians_s[repeat] if rank_medians_s else []
            write_record(tmp_path, make_record(case, list(samples_s), repeat, rank_median_s=medians_s, **settings))
        (row,) = examine_sweep(tmp_path, "trial", make_table(tmp_path, "trial").rows, [])
        return row

    return made


def test_independent_samples_of_equal_launches_raise_no_doubt(examine):
    row = examine(np.exp(0.1 * np.random.default_rng(1).standard_normal((5, 200))))
    assert row.samples == 1000
    assert row.effective_samples > 800
    assert row.launches_p > 0.05
    assert row.remarks == []
    assert row.bootstrap_low_s <= row.median_s <= row.bootstrap_high_s


def test_dependent_samples_and_differing_launches_are_told(examine):
    samples = np.repeat(np.random.default_rng(2).standard_normal((3, 100)), 10, axis=1)
    row = examine(np.exp(0.1 * samples) * np.array([[1.0], [1.5], [2.0]]))
    assert row.autocorrelation > 0.8
    assert row.launches_p < 1e-6
    assert row.launch_cv == pytest.approx(1 / 3, rel=0.1)
    assert row.remarks[0].startswith("3,000 samples tell as much as")


def test_ranks_that_differ_are_told(examine):
    samples = np.exp(0.01 * np.random.default_rng(3).standard_normal((4, 50)))
    row = examine(samples, [[1.0 + 0.001 * launch, 1.5 + 0.001 * launch] for launch in range(4)])
    assert row.ranks_p < 0.05
    assert row.imbalance == pytest.approx(1.2, rel=0.01)
    assert "ranks differ: they are not to be pooled" in row.remarks


def test_ranks_are_tested_by_their_own_samples_where_records_have_them(examine):
    """One launch of two medians tells nothing; its samples do, but for those that missed their window."""
    generator = np.random.default_rng(4)
    alike = np.exp(0.01 * generator.standard_normal((2, 60)))
    differing = alike * [[1.0], [1.02]]
    medians_s = [[1.0, 1.01]]
    assert examine([[1.0] * 60], medians_s).ranks_p is None
    assert examine([[1.0] * 60], medians_s, rank_samples_s=alike.tolist()).ranks_p > 0.05
    row = examine([[1.0] * 60], medians_s, rank_samples_s=differing.tolist())
    assert row.ranks_p < 1e-6
    assert row.ranks_effect > 0.3
    late = alike.copy()
    late[1, 30:] = 9.0
    missed = {"synchronisation": "window", "missed_window": list(range(30, 60))}
    row = examine([[1.0] * 60], medians_s, rank_samples_s=late.tolist(), **missed)
    assert row.ranks_p > 0.05
    assert (row.missed_windows, row.synchronisation) == (0.5, "window")
    assert "50 % of the steps missed their window; they do not count" in row.remarks
    every_second = late[:, ::2].tolist()
    assert examine([[1.0] * 60], medians_s, rank_samples_s=every_second, **missed).ranks_p > 0.05


def test_rows_are_plain_json(examine):
    assert msgspec.json.decode(msgspec.json.encode(examine([[1.0, 2.0]])))["samples"] == 2
