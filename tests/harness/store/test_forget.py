import pytest

from harness.store.forget import forget
from harness.store.manifest import read_manifest, write_manifest
from harness.store.read import sweep_names
from harness.store.write import runs_folder, write_record
from kernels.api import InputError


@pytest.fixture
def results(tmp_path, make_case, make_record, make_sweep):
    """A sweep of four cases: done, failed once and then done, only failed, never begun."""
    cases = [make_case(problem=name) for name in ("done", "healed", "failed", "never")]
    write_record(tmp_path, make_record(cases[0]))
    write_record(tmp_path, make_record(cases[1], status="failed", run_id="000-a"))
    write_record(tmp_path, make_record(cases[1], run_id="000-b"))
    path = write_record(tmp_path, make_record(cases[2], status="unavailable"))
    path.with_name("cut.json").write_text("{")
    write_manifest(tmp_path, make_sweep(cases))
    return tmp_path


def left(results):
    asked = {item.case.id.rpartition(".")[2] for item in read_manifest(results, "trial").cases}
    measured = {path.name.rpartition(".")[2] for path in runs_folder(results, "trial").iterdir() if path.is_dir()}
    return asked, measured


def test_cases_without_a_result_go_when_none_is_named(results):
    forgotten = forget(results, "trial", [])
    assert ([case_id.rpartition(".")[2] for case_id in forgotten.cases], forgotten.files) == (["failed", "never"], 2)
    assert left(results) == ({"done", "healed"}, {"done", "healed"})
    assert forget(results, "trial", []).cases == []


def test_a_dry_run_tells_what_would_go_and_touches_nothing(results):
    before = left(results), sorted(path for path in results.rglob("*"))
    told = forget(results, "trial", [], dry_run=True)
    assert (left(results), sorted(path for path in results.rglob("*"))) == before
    assert forget(results, "trial", []) == told


def test_named_cases_go_with_all_their_records(results):
    assert forget(results, "trial", ["*.healed", "*.n?r1t1.never"]).files == 2
    assert left(results) == ({"done", "failed"}, {"done", "failed"})
    with pytest.raises(InputError, match=r"no case '\*.healed'"):
        forget(results, "trial", ["*.healed"])


def test_a_sweep_of_which_nothing_is_left_goes_and_an_unknown_one_is_refused(results):
    forget(results, "trial", ["*"])
    assert sweep_names(results) == []
    with pytest.raises(InputError, match="not found among measured sweeps"):
        forget(results, "trial", ["*"])
