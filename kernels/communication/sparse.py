"""Sparse vectors as sorted pairs of index and value, and how they add; compiled by Numba."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from kernels.compiling import numba

PAIR = np.dtype([("index", np.int32), ("value", np.float32)])


def merge(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The sum of two sparse vectors: PAIR [at most both lengths together], by index as they are."""
    merged = np.empty(len(left) + len(right), PAIR)
    return merged[: _merge(left, right, merged)]


def merge_all(parts: list[np.ndarray]) -> np.ndarray:
    """The sum of sparse vectors, as a tree, so that each pair is moved ceil(log2 parts) times."""
    while len(parts) > 1:
        parts = [left if right is None else merge(left, right) for left, right in zip_longest(parts[::2], parts[1::2])]
    return parts[0]


@numba.njit(cache=True)
def add_to(dense: np.ndarray, pairs: np.ndarray) -> None:
    """Add a sparse vector to a dense one, float32 [elements], in place."""
    for pair in pairs:
        dense[pair.index] += pair.value


def is_dense(pairs: int, elements: int) -> bool:
    """Whether a dense vector is no longer than so many pairs: nnz (c + i) >= N i, with c and i the bytes of an index
    and of a value (Renggli et al., "SparCML: High-Performance Sparse Communication for Machine Learning", SC 2019)."""
    return pairs * PAIR.itemsize >= elements * PAIR["value"].itemsize


@numba.njit(cache=True)
def _merge(left: np.ndarray, right: np.ndarray, merged: np.ndarray) -> int:
    """Returns how many pairs the sum has."""
    first = second = count = 0
    while first < left.size and second < right.size:
        if left[first].index < right[second].index:
            merged[count] = left[first]
            first += 1
        elif left[first].index > right[second].index:
            merged[count] = right[second]
            second += 1
        else:
            merged[count].index = left[first].index
            merged[count].value = left[first].value + right[second].value
            first += 1
            second += 1
        count += 1
    for pair in left[first:]:
        merged[count] = pair
        count += 1
    for pair in right[second:]:
        merged[count] = pair
        count += 1
    return count
