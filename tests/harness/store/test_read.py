import math

import msgspec
import pytest

from harness.store.read import Run, finished, newest, next_repeat, read_runs, sweep_names
from harness.store.record import SCHEMA, Stack
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
        (lambda content: content[: len(content) // 2], "the end of a cut file"),
        (lambda content: b"", "the end of a cut file"),
        (lambda content: b"\x00" * 100, "malformed"),
        (lambda content: b'"\xff\xfe"', "right would be a record"),
        (lambda content: b"[" * 100_000, "right would be"),
        (lambda content: b'{"name": "somebody else\'s"}', "schema: found none"),
        (lambda content: b"[1, 2]", "schema: found none"),
        (lambda content: content.replace(b'"schema":1', b'"schema":99'), f"found 99; right would be at most {SCHEMA}"),
        (lambda content: b'{"schema": 99, "all": "else differs"}', f"found 99; right would be at most {SCHEMA}"),
        (lambda content: content.replace(b'"ok"', b'"splendid"'), "status: found invalid enum value 'splendid'"),
        (
            lambda content: content.replace(b'"samples_s":[1.0]', b'"samples_s":["x"]'),
            "samples_s[0]: found `str`; right would be `float`",
        ),
        (lambda content: content.replace(b'"samples_s":[1.0]', b'"samples_s":[]'), "samples_s: found none that counts"),
    ],
)
def test_damaged_file_is_named_in_one_line_and_the_rest_is_read(tmp_path, damaged_file, spoil, said):
    bad = damaged_file(spoil)
    runs, damages = read_runs(tmp_path)
    assert len(runs) == 1
    assert [damage.path for damage in damages] == [bad]
    assert str(bad) in str(damages[0])
    assert said in str(damages[0])
    assert "\n" not in str(damages[0])


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


def test_finished_counts_only_good_records_of_the_same_kernel_version_and_stack(
    tmp_path, make_case, make_record, make_sweep
):
    done, failed, outdated, absent = (make_case(problem=name) for name in ("done", "failed", "outdated", "absent"))
    image = Stack(name="an image", sha256="a" * 64)
    write_record(tmp_path, make_record(done))
    write_record(tmp_path, make_record(done, repeat=2, stack=image))
    write_record(tmp_path, make_record(failed, status="failed"))
    write_record(tmp_path, make_record(outdated))
    cut = write_record(tmp_path, make_record(done, repeat=5))
    cut.write_bytes(cut.read_bytes()[:-20])
    sweep = make_sweep([done, failed, make_case(problem="outdated", kernel_version=2), absent])
    assert finished(tmp_path, sweep.name, [item.case for item in sweep.cases]) == {
        (done.id, "bare", 0),
        (done.id, "a" * 12, 2),
    }


def test_next_repeat_follows_the_highest_whatever_came_of_it(tmp_path, make_case, make_record):
    case = make_case()
    assert next_repeat(tmp_path, "trial", case.id) == 0
    write_record(tmp_path, make_record(case, repeat=0))
    write_record(tmp_path, make_record(case, repeat=3, status="failed"))
    assert next_repeat(tmp_path, "trial", case.id) == 4


def test_sweep_names(tmp_path, make_case, make_record):
    with pytest.raises(InputError, match="not found; right would be a results folder"):
        sweep_names(tmp_path)
    write_record(tmp_path, make_record(make_case(), sweep="b"))
    write_record(tmp_path, make_record(make_case(), sweep="a"))
    assert sweep_names(tmp_path) == ["a", "b"]
