"""A small data set, its text copy, a share of each, and the same records normalised in float64."""

import numpy as np
import pytest

from kernels.data import page_cache
from kernels.data.dataset import open_dataset, read_shard
from kernels.data.generation import generate
from kernels.data.share import Share
from kernels.data.transcription import transcribe

SHARDS = range(1, 4)


@pytest.fixture(autouse=True)
def drop_no_others_pages(monkeypatch, tmp_path):
    """Without the superuser's privilege `page_cache.drop` leaves the tests beside this one their pages."""
    monkeypatch.setattr(page_cache, "_DROP_CACHES", tmp_path / "no" / "such" / "file")


@pytest.fixture(scope="session")
def binary_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    generate(folder, 151, 5, 1)
    return folder


@pytest.fixture(scope="session")
def text_folder(binary_folder):
    folder = binary_folder.with_name("text")
    transcribe(binary_folder, folder)
    return folder


@pytest.fixture(scope="session")
def shares(binary_folder, text_folder):
    """Shards 1 to 3 by form."""
    return {dataset.form: Share.of(dataset, SHARDS) for dataset in map(open_dataset, (binary_folder, text_folder))}


@pytest.fixture(scope="session")
def normalised(binary_folder):
    """Standardised strains and labels in [0, 1] of the share's records, float64, by the numbers of the whole set."""
    dataset = open_dataset(binary_folder)
    everything = np.concatenate([read_shard(path) for path in dataset.shard_paths]).astype(np.float64)
    low, high = np.array(list(dataset.manifest.label_ranges.values())).T
    raw = np.concatenate([read_shard(dataset.shard_paths[shard]) for shard in SHARDS]).astype(np.float64)
    features = (raw[:, :1080] - everything[:, :1080].mean(axis=0)) / everything[:, :1080].std(axis=0)
    return np.hstack([features, (raw[:, 1080:] - low) / (high - low)])
