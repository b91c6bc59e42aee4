import os
import subprocess
import sys

import numpy as np
import pytest

from kernels.api import InputError
from kernels.data import records, shards
from kernels.data.dataset import open_dataset
from kernels.data.manifest import RECORD_BYTES
from kernels.data.records import ensure_dataset
from kernels.material.tensile import simulate


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
    features, labels = open_dataset(folder).read(0, 30)
    np.testing.assert_allclose(features, simulate(labels), rtol=1e-6)
    assert len(np.unique(labels[:, 0])) == 30


def test_data_set_is_simulated_once_and_that_is_said(folder, caplog, monkeypatch):
    caplog.set_level("INFO", "kernels")
    monkeypatch.setattr(records, "_TELL_S", 0.0)
    other = ensure_dataset(30, 5, 7)
    assert other != folder
    assert caplog.messages == [
        f"data set: simulating 30 records once, into {other}",
        *(f"data set: {done} of 30 records" for done in (6, 12, 18, 24, 30)),
    ]
    caplog.clear()
    monkeypatch.setattr(shards, "simulate", None)
    ensure_dataset(30, 5, 7)
    assert not caplog.messages


def test_damaged_data_set_is_not_written_over_unasked(folder):
    os.truncate(folder / "shard-00000.bin", 0)
    with pytest.raises(InputError, match="generate --records 30 --shards 4 --seed 7 makes what is damaged anew"):
        ensure_dataset(30, 4, 7)
    assert (folder / "shard-00000.bin").stat().st_size == 0


def test_processes_that_generate_at_once_agree(tmp_path):
    command = [sys.executable, "-m", "kernels.data.records", "generate", "--records", "90", "--shards", "3"]
    environment = os.environ | {"SCALEMARK_DATA": str(tmp_path)}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {process.communicate(timeout=200)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert folders == {str(path) for path in tmp_path.iterdir()}
    open_dataset(next(tmp_path.iterdir())).verify_checksums()


def test_command_generates_and_verifies(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    assert records.main(["generate", "--records", "12", "--shards", "2"]) == 0
    out, err = capsys.readouterr()
    assert "12 of 12 records" in err
    assert records.main(["verify", out.strip()]) == 0
    assert records.main(["verify", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_command_says_how_to_go_on(folder, monkeypatch, capsys):
    asked = ["generate", str(folder), "--records", "31", "--shards", "4", "--seed", "7"]
    assert records.main(asked) == 2
    holds, _, wanted = capsys.readouterr().err.partition(", asked for were ")
    assert "holds 30 records in 4 shards (seed 7," in holds
    assert wanted.startswith("31 records in 4 shards (seed 7,")
    (folder / "manifest.json").write_bytes(b"{")
    assert records.main(asked) == 2
    assert "delete it and generate it anew" in capsys.readouterr().err
    assert records.main(["verify", str(folder)]) == 1

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "generate", interrupt)
    assert records.main(asked) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
