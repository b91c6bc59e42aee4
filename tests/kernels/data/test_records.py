import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kernels.api import InputError
from kernels.data import records
from kernels.data.records import (
    RECORD_BYTES,
    ensure_dataset,
    generate,
    open_dataset,
    read_records,
    read_shard,
)
from kernels.material.tensile import LABEL_RANGES, simulate


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    return ensure_dataset(30, 4, 7)


def test_record_is_1080_strains_and_8_labels(folder):
    assert RECORD_BYTES == 4352
    dataset = open_dataset(folder)
    assert dataset.shard_records == [8, 8, 7, 7]
    assert [path.stat().st_size for path in dataset.shard_paths] == [4352 * count for count in dataset.shard_records]


def test_strains_are_the_simulation_of_the_labels(folder):
    features, labels = read_records(folder, 0, 30)
    np.testing.assert_allclose(features, simulate(labels), rtol=1e-6)
    assert len(np.unique(labels[:, 0])) == 30


def test_reading_crosses_shards(folder):
    dataset = open_dataset(folder)
    everything = np.concatenate([read_shard(path) for path in dataset.shard_paths])
    features, labels = dataset.read(6, 12)
    assert np.array_equal(np.hstack([features, labels]), everything[6:18])
    with pytest.raises(IndexError):
        dataset.read(29, 2)


def test_statistics_are_those_of_all_records(folder):
    features = read_records(folder, 0, 30)[0].astype(np.float64)
    statistics = open_dataset(folder).statistics()
    np.testing.assert_allclose(statistics.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.deviation, features.std(axis=0), rtol=1e-6)


def test_bytes_follow_the_seed(folder, tmp_path):
    generate(tmp_path / "again", 30, 4, 7)
    generate(tmp_path / "other", 30, 4, 8)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    assert not np.array_equal(read_records(tmp_path / "other", 0, 30)[1], read_records(folder, 0, 30)[1])


def test_manifest_says_what_the_records_are(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["feature_shape"] == [2, 3, 18, 10]
    assert list(manifest["label_ranges"]) == ["M", "r00", "r45", "r90", "E_norm", "S_ratio", "c_mult", "n_pow"]
    assert manifest["label_ranges"]["M"] == list(LABEL_RANGES["M"])
    assert (manifest["records"], manifest["seed"], len(manifest["shards"])) == (30, 7, 4)


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "place", "found"),
    [
        (lambda f: f.rename(f.with_name("gone")), "", "no such folder"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json", "missing"),
        (lambda f: (f / "manifest.json").write_text('{"schema":'), "manifest.json", "not a manifest"),
        (lambda f: (f / "manifest.json").write_bytes(b"\xff\x00"), "manifest.json", "not a manifest"),
        (lambda f: (f / "manifest.json").write_text("[1]"), "manifest.json", "not a manifest"),
        (lambda f: edit_manifest(f, schema="other/2"), "manifest.json", "'other/2'"),
        (lambda f: edit_manifest(f, shards=[]), "manifest.json", "not a manifest"),
        (lambda f: edit_manifest(f, feature_shape=[6, 180]), "manifest.json", "(6, 180)"),
        (lambda f: edit_manifest(f, records=31), "manifest.json", "30 records in its shards and 31"),
        (lambda f: (f / "shard-00002.bin").unlink(), "shard-00002.bin", "missing"),
        (lambda f: os.truncate(f / "shard-00001.bin", 100), "shard-00001.bin", "found 100 bytes"),
        (lambda f: os.truncate(f / "statistics.bin", 8), "statistics.bin", "found 8 bytes"),
    ],
)
def test_damage_is_one_line_that_names_the_file(folder, damage, place, found):
    damage(folder)
    with pytest.raises(InputError) as caught:
        open_dataset(folder)
    message = str(caught.value)
    assert str(folder / place) in message
    assert found in message
    assert "\n" not in message


def test_checksums_find_a_changed_byte(folder):
    open_dataset(folder).verify_checksums()
    path = folder / "shard-00003.bin"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    dataset = open_dataset(folder)
    with pytest.raises(InputError, match=r"shard-00003\.bin: SHA-256"):
        dataset.verify_checksums()


def test_damaged_data_set_is_never_written_over(folder):
    os.truncate(folder / "shard-00000.bin", 0)
    with pytest.raises(InputError, match="delete"):
        ensure_dataset(30, 4, 7)
    assert (folder / "shard-00000.bin").stat().st_size == 0


def test_failed_generation_leaves_nothing(tmp_path, monkeypatch):
    def fail(cards):
        raise ArithmeticError("no convergence")

    monkeypatch.setattr(records, "simulate", fail)
    with pytest.raises(ArithmeticError):
        generate(tmp_path / "set", 8, 2, 0)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_generate_at_once_agree(tmp_path):
    command = [sys.executable, "-m", "kernels.data.records", "generate", "--records", "600", "--shards", "3"]
    environment = os.environ | {"SCALEMARK_DATA": str(tmp_path)}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert folders == {str(path) for path in tmp_path.iterdir()}
    open_dataset(next(tmp_path.iterdir())).verify_checksums()


@pytest.mark.parametrize(("count", "shards", "seed"), [(3, 4, 0), (3, 0, 0), (3, 1, -1)])
def test_impossible_data_sets_are_refused(tmp_path, count, shards, seed):
    with pytest.raises(InputError, match=f"{count} records in {shards} shards"):
        generate(tmp_path / "set", count, shards, seed)


def test_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written, .*/file: File exists; SCALEMARK_DATA"):
        generate(tmp_path / "file" / "set", 3, 1, 0)


def test_command_generates_and_verifies(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    assert records.main(["generate", "--records", "12", "--shards", "2"]) == 0
    out, err = capsys.readouterr()
    assert "12 of 12 records" in err
    assert records.main(["verify", out.strip()]) == 0
    assert records.main(["verify", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
