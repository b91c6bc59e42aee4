"""Which sequences a rank takes: at random, stratified by length, or dealt out within a group by length.

From the description of Samsung's MLPerf BERT (training results v1.1): sequences are kept in bins by length, every local
batch draws a fixed number from each bin, and then the ranks of a group sort what they hold and deal it out anew.
"""

from __future__ import annotations

import numpy as np

# upper ends of the bins, tokens
BINS = (128, 256, 384, 512)
LONGEST = BINS[-1]


def draw_lengths(sequences: int, median: float, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Log-normal lengths, int64 [sequences], 2 to 512 tokens; ``spread`` is the logarithm's standard deviation."""
    lengths = np.exp(rng.normal(np.log(median), spread, sequences))
    return np.clip(np.rint(lengths), 2, LONGEST).astype(np.int64)


def shuffled(lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All sequences in a random order, int64 [sequences]; local batches are cut from it one after the other."""
    return rng.permutation(len(lengths))


def stratified(lengths: np.ndarray, batch: int, rng: np.random.Generator) -> np.ndarray:
    """A random order, int64 [sequences], in which every ``batch`` has of each bin about what the whole has.

    Every bin is shuffled, and its sequences are given evenly spaced places with a random start; taking them by place
    mixes the bins like a zip. Within a batch the order is random.
    """
    places = np.empty(len(lengths))
    for members in np.split(np.argsort(np.searchsorted(BINS, lengths), kind="stable"), _edges(lengths)):
        if len(members):
            places[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    order = np.argsort(places, kind="stable")
    for start in range(0, len(order), batch):
        rng.shuffle(order[start : start + batch])
    return order


def _edges(lengths: np.ndarray) -> np.ndarray:
    """Where the bins end in an order by bin."""
    return np.cumsum(np.bincount(np.searchsorted(BINS, lengths), minlength=len(BINS)))[:-1]


def deal(lengths: np.ndarray, members: int) -> np.ndarray:
    """Which of a group's ``members`` takes each sequence, int64 [sequences]: sorted by length and dealt like a snake.

    The longest go to 0, 1, ..., m-1, the next to m-1, ..., 0, and so on; counts differ by at most one.
    """
    turns = np.arange(len(lengths))
    there_and_back = turns % (2 * members)
    dealt = np.minimum(there_and_back, 2 * members - 1 - there_and_back)
    taker = np.empty(len(lengths), np.int64)
    taker[np.argsort(-lengths, kind="stable")] = dealt
    return taker


def imbalance(tokens: np.ndarray) -> float:
    """The most that a rank holds over the mean, for tokens [ranks]: how much longer the step is than it had to be."""
    return float(tokens.max() / tokens.mean())
