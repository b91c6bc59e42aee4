import numpy as np
import psutil
import pytest

from kernels.data import page_cache
from kernels.data.readers import (
    CachedReader,
    DataLoaderReader,
    Options,
    ParallelReader,
    PrefetchReader,
    SerialReader,
    Share,
    shuffle,
)
from kernels.data.records import generate, open_dataset, read_shard

READERS = [SerialReader, ParallelReader, PrefetchReader, CachedReader, DataLoaderReader]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    generate(folder, 331, 5, 1)
    return open_dataset(folder)


@pytest.fixture(scope="module")
def share(dataset):
    return Share.of(dataset, range(1, 4))


def normalised(dataset, shards):
    """Standardised strains and labels in [0, 1], in float64, from the numbers of the whole data set."""
    everything = np.concatenate([read_shard(path) for path in dataset.shard_paths]).astype(np.float64)
    low, high = np.array(list(dataset.manifest.label_ranges.values())).T
    raw = np.concatenate([read_shard(dataset.shard_paths[shard]) for shard in shards]).astype(np.float64)
    features = (raw[:, :1080] - everything[:, :1080].mean(axis=0)) / everything[:, :1080].std(axis=0)
    return np.hstack([features, (raw[:, 1080:] - low) / (high - low)])


@pytest.mark.parametrize("prefetch_batches", [0, 1, 4])
@pytest.mark.parametrize("reader_type", READERS)
def test_every_epoch_delivers_the_normalised_records_in_its_order(dataset, share, reader_type, prefetch_batches):
    expected = normalised(dataset, range(1, 4))
    reader = reader_type(share, Options(batch=32, reader_threads=2, prefetch_batches=prefetch_batches))
    for epoch in range(2):
        order = shuffle(share.records, 32, np.random.default_rng(epoch))
        batches = [batch.numpy().copy() for batch in reader.batches(order)]
        assert [len(batch) for batch in batches] == [len(rows) for rows in order]
        np.testing.assert_allclose(np.concatenate(batches), expected[np.concatenate(order)], atol=1e-3)
    reader.close()


def test_dataloader_is_right_with_worker_processes_too(dataset, share):
    reader = DataLoaderReader(share, Options(batch=32, reader_threads=2, prefetch_batches=4))
    reader.loader = reader._loader(2)
    order = shuffle(share.records, 32, np.random.default_rng(0))
    batches = np.concatenate([batch.numpy() for batch in reader.batches(order)])
    np.testing.assert_allclose(batches, normalised(dataset, range(1, 4))[np.concatenate(order)], atol=1e-3)
    assert len(psutil.Process().children()) == 2
    reader.close()
    assert not psutil.Process().children()


def test_order_is_every_record_once_shuffled_over_all_of_them():
    order = shuffle(1000, 64, np.random.default_rng(0))
    assert [len(rows) for rows in order] == [64] * 15 + [40]
    assert np.array_equal(np.sort(np.concatenate(order)), np.arange(1000))
    assert all(rows[0] < 250 and rows[-1] > 750 for rows in order), "every batch is drawn from all records"
    assert not np.array_equal(order[0], shuffle(1000, 64, np.random.default_rng(1))[0])


@pytest.mark.parametrize("reader_type", READERS)
def test_cold_reader_leaves_nothing_mapped(share, reader_type):
    page_cache.drop(share.paths)
    if page_cache.resident_fraction(share.paths) > 0:
        pytest.skip("this file system keeps its pages in memory")
    reader = reader_type(share, Options(batch=32, reader_threads=2, prefetch_batches=1, cold=True))
    for _ in reader.batches(shuffle(share.records, 32, np.random.default_rng(0))):
        pass
    # mapped pages would stay
    page_cache.drop(share.paths)
    assert page_cache.resident_fraction(share.paths) == 0
    reader.close()
