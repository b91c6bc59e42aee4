import os
import threading
import time

import numpy as np
import pytest

from kernels.data import page_cache
from kernels.data.optimised import OptimisedReader
from kernels.data.share import Options, shuffle


@pytest.mark.parametrize("threads", [1, 3, 16])
@pytest.mark.parametrize("prefetch_batches", [0, 1, 4])
def test_threads_and_depth_change_nothing_in_the_batches(shares, normalised, threads, prefetch_batches):
    reader = OptimisedReader(shares["binary"], Options(32, threads, prefetch_batches, "memory"))
    order = shuffle(reader.share.records, 32, np.random.default_rng(0))
    batches = [batch.numpy().copy() for batch in reader.batches(order)]
    np.testing.assert_allclose(np.concatenate(batches), normalised[np.concatenate(order)], atol=1e-3)
    reader.close()


def test_batch_stays_as_it_is_until_the_next_is_asked_for(shares, normalised):
    reader = OptimisedReader(shares["text"], Options(16, 2, 4))
    order = shuffle(reader.share.records, 16, np.random.default_rng(0))
    for rows, batch in zip(order, reader.batches(order), strict=True):
        # long enough for all that is done ahead
        time.sleep(0.005)
        np.testing.assert_allclose(batch.numpy(), normalised[rows], atol=1e-3)
    reader.close()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("form", ["binary", "text"])
@pytest.mark.parametrize("cache", ["none", "memory", "disk"])
def test_cold_files_give_the_same_batches(shares, normalised, form, cache, threads):
    reader = OptimisedReader(shares[form], Options(32, threads, 4, cache, cold=True))
    for seed in range(2):
        order = shuffle(reader.share.records, 32, np.random.default_rng(seed))
        batches = [batch.numpy().copy() for batch in reader.batches(order)]
        assert [len(batch) for batch in batches] == [len(rows) for rows in order]
        np.testing.assert_allclose(np.concatenate(batches), normalised[np.concatenate(order)], atol=1e-3)
    assert cache == "memory" or page_cache.drop(reader.files)
    assert cache == "memory" or page_cache.resident_fraction(reader.files) < 0.01, "nothing stays mapped"
    reader.close()


def test_on_one_core_the_consumer_gathers(shares, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    reader = OptimisedReader(shares["binary"], Options(32, 2, 4))
    (ahead,) = reader.figures()
    assert ahead.value == 0
    callers = set()
    gather = reader.source.gather
    reader.source.gather = lambda rows, out: callers.add(threading.get_ident()) or gather(rows, out)
    reader.consume(shuffle(reader.share.records, 32, np.random.default_rng(0)))
    assert callers == {threading.get_ident()}
    reader.close()


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_filled_cache_reads_no_shard(shares, cache):
    reader = OptimisedReader(shares["binary"], Options(32, 2, 1, cache))
    assert reader.files == shares["binary"].paths
    order = shuffle(reader.share.records, 32, np.random.default_rng(0))
    reader.consume(order)
    (_, fill) = reader.figures()
    assert fill.name == "fill"
    assert not set(reader.files) & set(shares["binary"].paths)
    reader.consume(order)
    assert reader.figures()[1] == fill, "the cache is filled once"
    reader.close()


def test_an_error_in_a_thread_is_the_consumer_s(shares):
    reader = OptimisedReader(shares["binary"], Options(32, 2, 4))
    order = shuffle(reader.share.records, 32, np.random.default_rng(0))
    reader.source.gather = lambda rows, out: 1 / 0
    with pytest.raises(ZeroDivisionError):
        reader.consume(order)
    reader.close()


def test_consumer_that_stops_early_leaves_nobody_writing(shares, normalised):
    reader = OptimisedReader(shares["text"], Options(16, 2, 4))
    order = shuffle(reader.share.records, 16, np.random.default_rng(0))
    gather, under_way = reader.source.gather, []

    def slowly(rows, out):
        under_way.append(rows)
        time.sleep(0.01)
        gather(rows, out)
        under_way.pop()

    reader.source.gather = slowly
    batches = reader.batches(order)
    next(batches)
    batches.close()
    assert not under_way
    batches = [batch.numpy().copy() for batch in reader.batches(order)]
    np.testing.assert_allclose(np.concatenate(batches), normalised[np.concatenate(order)], atol=1e-3)
    reader.close()
