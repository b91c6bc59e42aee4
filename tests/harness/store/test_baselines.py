import pytest

from harness.store import baselines
from harness.store.read import read_runs
from harness.store.write import runs_folder, write_record
from kernels.api import InputError


@pytest.fixture
def results(tmp_path, make_case, make_record):
    write_record(tmp_path, make_record(make_case(), [1.0], run_id="000-old", ended="2026-01-01"))
    write_record(tmp_path, make_record(make_case(), [2.0], run_id="000-new", ended="2026-01-02"))
    write_record(tmp_path, make_record(make_case(2), [3.0], repeat=1))
    return tmp_path


def test_the_newest_runs_are_kept_whatever_becomes_of_the_results(results):
    baseline, damages = baselines.save(results, "main", ["trial"])
    assert (baseline.records, baseline.cases, baseline.sweeps, damages) == (2, 2, ["trial"], [])
    for path in runs_folder(results, "trial").rglob("*.json"):
        path.unlink()
    runs, _ = read_runs(baselines.find(results, "main") / "runs")
    assert sorted(run.samples_s for run in runs) == [[2.0], [3.0]]


def test_a_name_is_taken_until_it_is_removed(results):
    baselines.save(results, "main", ["trial"])
    with pytest.raises(InputError, match="exists already; remove it first"):
        baselines.save(results, "main", ["trial"])
    baselines.remove(results, "main")
    assert baselines.saved(results) == ([], [])
    baselines.save(results, "main", ["trial"])


def test_an_unknown_name_is_told_with_those_that_exist(results):
    baselines.save(results, "v1", ["trial"])
    with pytest.raises(InputError, match="'main' not found; right would be: v1"):
        baselines.find(results, "main")
    for name in ("../runs", "", ".hidden", "a/b"):
        with pytest.raises(InputError, match="right would be letters"):
            baselines.find(results, name)


def test_a_damaged_description_is_told_and_the_other_baselines_are_listed(results):
    for name in ("whole", "broken"):
        baselines.save(results, name, ["trial"])
    path = results / "baselines" / "broken" / "baseline.json"
    path.write_bytes(path.read_bytes()[:20])
    (baseline,), (damage,) = baselines.saved(results)
    assert (baseline.name, damage.path) == ("whole", path)


def test_nothing_is_saved_from_nothing(results):
    with pytest.raises(InputError, match="not found among measured sweeps"):
        baselines.save(results, "main", ["absent"])
    assert not list((results / "baselines").glob("*"))


def test_a_damaged_record_is_told_and_left_out(results):
    bad = next(runs_folder(results, "trial").rglob("*.json")).with_name("bad.json")
    bad.write_text("{")
    baseline, (damage,) = baselines.save(results, "main", ["trial"])
    assert damage.path == bad
    assert baseline.records == 2
