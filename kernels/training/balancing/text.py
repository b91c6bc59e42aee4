"""Synthetic text that can be learnt: a Markov chain in which a few tokens follow each token."""

from __future__ import annotations

import numpy as np

from kernels.training.balancing.encoder import MASK

_FOLLOWERS = 4
_MASKED = 0.15


def draw_sequence(vocabulary: int, length: int, seed: int, number: int) -> np.ndarray:
    """Sequence ``number``, int64 [length], of tokens 1 to ``vocabulary`` - 1; each is one of four that can follow."""
    followers = np.random.default_rng([seed, 0]).integers(MASK + 1, vocabulary, (vocabulary, _FOLLOWERS))
    rng = np.random.default_rng([seed, 1, number])
    tokens = np.empty(length, np.int64)
    tokens[0] = rng.integers(MASK + 1, vocabulary)
    for place, choice in enumerate(rng.integers(_FOLLOWERS, size=length - 1), start=1):
        tokens[place] = followers[tokens[place - 1], choice]
    return tokens


def draw_masked(length: int, seed: int, number: int) -> np.ndarray:
    """Which tokens of the sequence are to be guessed, bool [length]: 15 %, at least one."""
    rng = np.random.default_rng([seed, 2, number])
    masked = rng.random(length) < _MASKED
    masked[rng.integers(length)] = True
    return masked
