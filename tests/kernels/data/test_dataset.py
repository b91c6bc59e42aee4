import numpy as np
import pytest

from kernels.api import InputError
from kernels.data.dataset import open_dataset, read_shard
from kernels.data.generation import generate


@pytest.fixture
def folder(tmp_path):
    generate(tmp_path / "set", 30, 4, 7)
    return tmp_path / "set"


def test_reading_crosses_shards(folder):
    dataset = open_dataset(folder)
    everything = np.concatenate([read_shard(path) for path in dataset.shard_paths])
    features, labels = dataset.read(6, 12)
    assert np.array_equal(np.hstack([features, labels]), everything[6:18])
    with pytest.raises(IndexError):
        dataset.read(29, 2)


def test_statistics_are_those_of_all_records(folder):
    features = open_dataset(folder).read(0, 30)[0].astype(np.float64)
    statistics = open_dataset(folder).statistics()
    np.testing.assert_allclose(statistics.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.deviation, features.std(axis=0), rtol=1e-6)


def test_checksums_find_a_changed_byte(folder):
    open_dataset(folder).verify_checksums()
    for name in ("shard-00001.bin", "shard-00003.bin"):
        path = folder / name
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)
    dataset = open_dataset(folder)
    with pytest.raises(InputError, match=r"shard-00001\.bin: SHA-256 .*: damaged\n.*shard-00003\.bin: SHA-256 "):
        dataset.verify_checksums()
