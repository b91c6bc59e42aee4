from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kernels.training.balancing.assignment import BINS, deal, draw_lengths, imbalance, stratified

SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS, batch=st.integers(1, 16), batches=st.integers(1, 8))
def test_every_batch_has_its_share_of_each_bin(seed: int, batch: int, batches: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = draw_lengths(batch * batches, 96, 0.8, rng)
    order = stratified(lengths, batch, rng)
    assert sorted(order) == list(range(len(lengths)))
    counts = np.array([
        np.bincount(np.searchsorted(BINS, lengths[part]), minlength=len(BINS)) for part in order.reshape(batches, batch)
    ])  # fmt: skip
    # places are shared out over all bins at once, so a bin can be pushed over by the others'
    assert np.abs(counts - counts.mean(axis=0)).max() <= len(BINS)


@given(seed=SEEDS, members=st.integers(1, 8), each=st.integers(1, 16))
def test_dealing_gives_everybody_as_many_and_balances_the_tokens(seed: int, members: int, each: int) -> None:
    lengths = draw_lengths(members * each, 96, 0.8, np.random.default_rng(seed))
    taker = deal(lengths, members)
    assert set(np.bincount(taker, minlength=members)) <= {each}
    tokens = np.bincount(taker, lengths, minlength=members)
    # a snake's turns cancel but for one sequence
    assert tokens.max() - tokens.min() <= lengths.max()
    assert imbalance(tokens) >= 1


def test_a_snake_turns_at_both_ends() -> None:
    assert deal(np.array([50, 10, 40, 20, 60, 30]), 2).tolist() == [1, 1, 1, 0, 0, 0]


def test_lengths_have_the_median_that_was_asked_for() -> None:
    lengths = draw_lengths(100_001, 96, 0.8, np.random.default_rng(0))
    assert abs(np.median(lengths) - 96) < 2
    assert lengths.min() >= 2
    assert lengths.max() == 512
