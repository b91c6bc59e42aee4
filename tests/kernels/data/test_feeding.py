import time

import numpy as np
import pytest
import torch
from mpi4py import MPI

from kernels.data.feeding import Fed, feed
from kernels.data.share import Options, Reader


class SlowReader(Reader):
    """Takes 50 ms for a batch of random numbers."""

    def batches(self, order):
        for rows in order:
            time.sleep(0.05)
            yield torch.from_numpy(np.random.default_rng(0).standard_normal((len(rows), 1088)).astype(np.float32))


class ReaderOfAll(Reader):
    """Takes 200 ms before it hands out the first batch of an epoch."""

    def batches(self, order):
        time.sleep(0.2)
        for rows in order:
            yield torch.from_numpy(np.random.default_rng(0).standard_normal((len(rows), 1088)).astype(np.float32))


def test_what_a_reader_does_before_its_first_batch_is_waited_for(shares, tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    fed = feed(ReaderOfAll(shares["binary"], Options(4, 1, 0)), 1, MPI.COMM_SELF, np.random.default_rng(0))
    assert fed.waiting_s[0] >= 0.2


def test_waiting_is_what_a_slow_reader_costs(shares, tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    fed = feed(SlowReader(shares["binary"], Options(4, 1, 0)), 3, MPI.COMM_SELF, np.random.default_rng(0))
    assert len(fed.waiting_s) == len(fed.training_s) == 3
    assert min(fed.waiting_s) >= 0.05


def test_stall_is_the_share_of_waiting():
    stall, step = Fed([0.1, 0.2], [0.4, 0.5]).figures()
    assert stall.value == pytest.approx(0.25)
    assert step.value == pytest.approx(0.45)
