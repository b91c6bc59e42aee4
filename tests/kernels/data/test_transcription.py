import hashlib

import numpy as np
import pytest

from kernels.api import InputError
from kernels.data.dataset import open_dataset
from kernels.data.transcription import ensure_text


def test_copy_holds_the_same_records_and_statistics(binary_folder, text_folder):
    binary, text = open_dataset(binary_folder), open_dataset(text_folder)
    assert (text.form, text.records, text.shard_records) == ("text", binary.records, binary.shard_records)
    assert [path.suffix for path in text.shard_paths] == [".csv"] * 5
    text.verify_checksums()
    for ours, theirs in zip(text.read(20, 60), binary.read(20, 60), strict=True):
        assert np.array_equal(ours, theirs)
    for ours, theirs in zip(text.normalisation(), binary.normalisation(), strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(np.loadtxt(text.shard_paths[0], np.float32, delimiter=","), np.hstack(binary.read(0, 31)))


def test_copy_is_made_once_and_damage_is_found(binary_folder):
    folder = ensure_text(binary_folder)
    path = folder / "shard-00002.csv"
    before = hashlib.sha256(path.read_bytes()).digest()
    assert ensure_text(binary_folder) == folder
    assert hashlib.sha256(path.read_bytes()).digest() == before
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"shard-00002\.csv: found 0 bytes"):
        ensure_text(binary_folder)
