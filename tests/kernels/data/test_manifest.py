import json
import os

import pytest

from kernels.api import InputError
from kernels.data.dataset import open_dataset
from kernels.data.generation import generate
from kernels.material.tensile import LABEL_RANGES


@pytest.fixture
def folder(tmp_path):
    generate(tmp_path / "set", 30, 4, 7)
    return tmp_path / "set"


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
        (lambda f: edit_manifest(f, value_type="<f8"), "manifest.json", "'<f8'"),
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
