import math
import os

import msgspec
import pytest

from harness.store.read import Run, newest, read_runs, sweep_names
from harness.store.write import write_record
from kernels.api import Check, Figure, InputError


@pytest.fixture
def damaged_file(tmp_path, make_case, make_record):
    """Writes one good record and, beside it, what ``spoil`` makes of its bytes."""

    def write(spoil):
        good = write_record(tmp_path, make_record(make_case()))
        bad = good.with_name("bad.json")
        bad.write_bytes(spoil(good.read_bytes()))
        return bad

    return write


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content[:-9], "the end of a cut file"),
        (lambda content: content.replace(b'"samples_s":[1.0]', b'"samples_s":[]'), "samples_s: found none that counts"),
        (lambda content: content.replace(b'"samples_s":[1.0]', b'"samples_s":[1.0,-1.0]'), "samples_s: found -1;"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_read(tmp_path, damaged_file, spoil, said):
    bad = damaged_file(spoil)
    runs, (damage,) = read_runs(tmp_path)
    assert len(runs) == 1
    assert damage.path == bad
    assert said in str(damage)


def test_samples_that_missed_their_window_do_not_count(tmp_path, make_case, make_record):
    samples_s = [9.0, 1.0, 9.0, 3.0]
    path = write_record(tmp_path, make_record(make_case(), samples_s, missed_window=[0, 2]))
    (run,), _ = read_runs(tmp_path)
    assert run.samples_s == [1.0, 3.0]
    assert msgspec.json.decode(path.read_bytes())["samples_s"] == samples_s


def test_a_record_whose_samples_all_missed_their_window_is_damage(tmp_path, make_case, make_record):
    write_record(tmp_path, make_record(make_case(), [1.0], missed_window=[0]))
    runs, (damage,) = read_runs(tmp_path)
    assert not runs
    assert "samples_s: found none that counts" in str(damage)


def test_files_still_being_written_and_other_files_are_no_damage(tmp_path, damaged_file):
    bad = damaged_file(lambda content: content[:10])
    bad.rename(bad.with_name(".000-x.json.host.1.tmp"))
    (bad.parent / ".hidden.json").write_text("{")
    (bad.parent / "notes.txt").write_text("mine")
    runs, damages = read_runs(tmp_path)
    assert (len(runs), damages) == (1, [])


def test_unreadable_file_is_damage(tmp_path, damaged_file):
    bad = damaged_file(lambda content: content)
    bad.unlink()
    bad.symlink_to("nowhere")
    runs, (damage,) = read_runs(tmp_path)
    assert len(runs) == 1
    assert "bad.json: file: found No such file" in str(damage)


def test_numbers_that_json_cannot_hold_come_back_as_none_and_fail_the_check(tmp_path, make_case, make_record):
    check = Check(error=math.nan, tolerance=1.0, reference="itself")
    write_record(tmp_path, make_record(make_case(), check=check, figures=[Figure(name="loss", value=math.inf)]))
    (run,), damages = read_runs(tmp_path)
    assert damages == []
    assert not run.check.passed
    assert run.figures[0].value is None


def as_run(record):
    return msgspec.json.decode(msgspec.json.encode(record), type=Run)


def test_newest_finished_run_of_a_repeat_counts_else_newest_unfinished(make_case, make_record):
    case = make_case()
    tries = [
        make_record(case, run_id="000-a", status="timeout", message="first"),
        make_record(case, [1.0], run_id="000-b", ended="2030-01-01T00:00:00.000+00:00"),
        make_record(case, [2.0], run_id="000-c", ended="2030-01-02T00:00:00.000+00:00"),
        make_record(case, run_id="000-d", status="failed", message="last"),
        make_record(case, run_id="001-a", repeat=1, status="failed", message="old"),
        make_record(case, run_id="001-b", repeat=1, status="cancelled", message="new"),
    ]
    for order in (tries, tries[::-1]):
        kept = {run.launch.repeat: run for run in newest(as_run(record) for record in order)}
        assert kept[0].samples_s == [2.0]
        assert kept[1].message == "new"


def test_a_folder_that_cannot_be_read_is_damage(tmp_path, make_case, make_record, monkeypatch):
    path = write_record(tmp_path, make_record(make_case()))
    scan = os.scandir

    def refuse(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    (path.parent / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    runs, (damage,) = read_runs(tmp_path)
    assert len(runs) == 1
    assert "locked: folder: found Permission denied" in str(damage)


def test_sweep_names(tmp_path, make_case, make_record):
    with pytest.raises(InputError, match="not found; right would be a results folder"):
        sweep_names(tmp_path)
    write_record(tmp_path, make_record(make_case(), sweep="b"))
    write_record(tmp_path, make_record(make_case(), sweep="a"))
    assert sweep_names(tmp_path) == ["a", "b"]
