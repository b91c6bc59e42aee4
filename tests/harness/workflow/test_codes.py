"""Files in the results that are no records of ours: commands that read name them, read the rest, and end with 1."""

import pytest

from harness.cli import cli
from harness.store.manifest import write_manifest
from harness.store.write import write_record

# by the file's name what it holds, made of a sound record
SPOILT = {
    "cut.json": lambda sound: sound[: len(sound) // 2],
    "future.json": lambda sound: sound.replace(b'"schema":1', b'"schema":99'),
    "foreign.json": lambda sound: b'{"name": "somebody else\'s"}',
    "binary.json": lambda sound: bytes(range(256)),
    # a field of a wrong type before what is not even JSON
    "wrong.json": lambda sound: b'{"schema": 1, "run_id": 5, "sw',
    "lines.json": lambda sound: sound.replace(b'"samples_s":[', b'"samples_s":["x",') + b"\n" + sound,
    # in a part that not every command looks at
    "not_utf8.json": lambda sound: sound.replace(b'"environment":null', b'"environment":{"python":"\xff"}'),
}


@pytest.fixture
def spoilt(tmp_path, monkeypatch, make_case, make_record, make_sweep):
    """Two sweeps of sound records, damaged files among them; the second one's manifest is damaged as well."""
    for sweep in ("first", "second"):
        cases = [make_case(ranks) for ranks in (1, 2)]
        for case in cases:
            for repeat in range(4):
                path = write_record(tmp_path / "results", make_record(case, [1.0 + repeat / 1000], repeat, sweep=sweep))
        write_manifest(tmp_path / "results", make_sweep(cases, name=sweep, repeats=4))
        for name, spoil in SPOILT.items():
            path.with_name(name).write_bytes(spoil(path.read_bytes()))
    (tmp_path / "results/runs/second/sweep.json").write_text('{"name": "second", ')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["table"],
        ["table", "--statistics"],
        ["table", "--laws"],
        ["status"],
        ["compare", "results", "results"],
        ["compare", "--self-test", "results"],
        ["history", "invented"],
        ["report"],
        ["export", "--format", "pytest-benchmark", "--output", "out.json"],
        ["pack", "all.parquet"],
    ],
    ids=" ".join,
)
def test_every_reading_command_names_what_is_damaged_skips_it_and_ends_with_1(spoilt, capfd, arguments):
    assert cli.main(arguments, standalone_mode=False) == 1
    complaints = capfd.readouterr().err.splitlines()
    for name in SPOILT:
        for sweep in ("first", "second"):
            (line,) = {line for line in complaints if f"runs/{sweep}/" in line and name in line}
            assert "found" in line
            assert "right would be" in line
    (line,) = {line for line in complaints if "second/sweep.json" in line}
    assert "right would be a sweep's manifest" in line


def test_a_damaged_baseline_is_named_and_the_others_are_history(spoilt, capfd):
    for name in ("whole", "broken"):
        assert cli.main(["baseline", "save", name, "first"], standalone_mode=False) == 1
    (spoilt / "results/baselines/broken/baseline.json").write_text("{")
    for arguments in (["baseline", "list"], ["history", "invented"]):
        capfd.readouterr()
        assert cli.main(arguments, standalone_mode=False) == 1
        told = capfd.readouterr()
        assert "broken/baseline.json: content: found" in told.err
        assert told.out


def test_status_speaks_of_packed_files_and_names_a_damaged_plan_of_a_job(spoilt, capfd):
    assert cli.main(["pack", "all.parquet", "first"], standalone_mode=False) == 1
    assert cli.main(["status", "--results", "all.parquet"], standalone_mode=False) == 0
    job = spoilt / "results/jobs/first/job"
    job.mkdir(parents=True)
    (job / "job.json").write_text('{"job_id": "1", "submitted": "2026-01-01"}')
    (job / "plan.json").write_text('{"sweep": ')
    capfd.readouterr()
    assert cli.main(["status"], standalone_mode=False) == 1
    assert "jobs/first/job/plan.json: found" in capfd.readouterr().err


@pytest.mark.parametrize("command", [["pack", "all.parquet"], ["report"], ["table", "--statistics"]], ids=" ".join)
def test_a_field_that_only_some_commands_read_is_named_by_them(spoilt, capfd, command):
    path = next(spoilt.glob("results/runs/first/*/000-first.json"))
    path.write_bytes(path.read_bytes().replace(b'"rank_median_s":[]', b'"rank_median_s":["x"]'))
    assert cli.main([*command, "first"], standalone_mode=False) == 1
    assert any(str(path.relative_to(spoilt)) in line for line in capfd.readouterr().err.splitlines())
