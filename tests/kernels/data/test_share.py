from itertools import product

import numpy as np
import pytest

from kernels.data import dali_reader, page_cache, tf_data_reader
from kernels.data.dali_reader import DaliReader
from kernels.data.epoch_readers import ParallelReader, SerialReader
from kernels.data.input_pipeline import KERNEL
from kernels.data.optimised import OptimisedReader
from kernels.data.share import Options, places_in, shuffle
from kernels.data.tf_data_reader import TfDataReader
from kernels.data.torch_reader import DataLoaderReader, MemmapReader


def unless(reason):
    return pytest.mark.skipif(reason is not None, reason=reason or "")


HERE = [SerialReader, ParallelReader, OptimisedReader, MemmapReader, DataLoaderReader]
READERS = dict(zip(["serial", "parallel", "optimised", "memmap", "dataloader"], HERE, strict=True))
MISSING = {"dali": dali_reader.missing(), "tf.data": tf_data_reader.missing()}
TAKEN = [
    pytest.param(reader_type, form, cache, marks=unless(MISSING.get(backend)))
    for backend, reader_type in (READERS | {"dali": DaliReader, "tf.data": TfDataReader}).items()
    for form, cache in product(["binary", "text"], ["none", "memory", "disk"])
    if not KERNEL.backends[backend].refusal(KERNEL.parameters(form=form, cache=cache), 1)
]


@pytest.mark.parametrize(("reader_type", "form", "cache"), TAKEN)
def test_every_epoch_delivers_the_normalised_records_in_its_order(shares, normalised, reader_type, form, cache):
    reader = reader_type(shares[form], Options(batch=32, threads=2, prefetch_batches=2, cache=cache))
    for epoch in range(2):
        order = shuffle(reader.share.records, 32, np.random.default_rng(epoch))
        batches = [batch.numpy().copy() for batch in reader.batches(order)]
        assert [len(batch) for batch in batches] == [len(rows) for rows in order]
        np.testing.assert_allclose(np.concatenate(batches), normalised[np.concatenate(order)], atol=1e-3)
        assert reader.consume(order) == len(normalised)
    reader.close()


@pytest.mark.parametrize(("reader_type", "cache"), [(reader, "none") for reader in HERE] + [(OptimisedReader, "disk")])
def test_cold_reader_leaves_nothing_mapped(shares, reader_type, cache):
    page_cache.give_up(shares["binary"].paths)
    if page_cache.resident_fraction(shares["binary"].paths) > 0:
        pytest.skip("this file system keeps its pages in memory")
    reader = reader_type(shares["binary"], Options(32, threads=2, prefetch_batches=1, cache=cache, cold=True))
    order = shuffle(reader.share.records, 32, np.random.default_rng(0))
    for _ in range(2):
        reader.consume(order)
        page_cache.give_up(reader.files)
        # mapped pages would stay
        assert page_cache.resident_fraction(reader.files) < 0.01
    reader.close()


def test_order_is_every_record_once_shuffled_over_all_of_them():
    order = shuffle(1000, 64, np.random.default_rng(0))
    assert [len(rows) for rows in order] == [64] * 15 + [40]
    assert np.array_equal(np.sort(np.concatenate(order)), np.arange(1000))
    assert all(rows[0] < 250 and rows[-1] > 750 for rows in order), "every batch is drawn from all records"
    assert not np.array_equal(order[0], shuffle(1000, 64, np.random.default_rng(1))[0])


def test_places_are_where_the_order_puts_the_records():
    order = [np.array([0, 3]), np.array([1, 4]), np.array([2])]
    assert places_in(order).tolist() == [0, 2, 4, 1, 3]
