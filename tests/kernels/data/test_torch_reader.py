import numpy as np
import psutil

from kernels.data.share import Options, shuffle
from kernels.data.torch_reader import DataLoaderReader


def test_dataloader_is_right_with_worker_processes_too(shares, normalised):
    others = set(psutil.Process().children())
    reader = DataLoaderReader(shares["binary"], Options(batch=32, threads=2, prefetch_batches=4))
    reader.loader = reader._loader(2)
    order = shuffle(reader.share.records, 32, np.random.default_rng(0))
    batches = np.concatenate([batch.numpy() for batch in reader.batches(order)])
    np.testing.assert_allclose(batches, normalised[np.concatenate(order)], atol=1e-3)
    assert len(set(psutil.Process().children()) - others) == 2
    reader.close()
    assert not set(psutil.Process().children()) - others
