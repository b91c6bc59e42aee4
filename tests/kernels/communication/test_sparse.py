from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.communication.sparse import PAIR, add_to, is_dense, merge, merge_all

INDICES = st.sets(st.integers(0, 30)).map(sorted)


def sparse(indices: list[int], offset: int = 1) -> np.ndarray:
    return np.array([(index, index + offset) for index in indices], PAIR)


def densify(pairs: np.ndarray) -> np.ndarray:
    dense = np.zeros(31, np.float32)
    dense[pairs["index"]] = pairs["value"]
    return dense


@settings(deadline=None)
@given(INDICES, INDICES)
def test_a_merged_vector_is_the_sum_sorted_without_repetition(left: list[int], right: list[int]) -> None:
    merged = merge(sparse(left), sparse(right, 7))
    np.testing.assert_array_equal(densify(merged), densify(sparse(left)) + densify(sparse(right, 7)))
    assert merged["index"].tolist() == sorted({*left, *right})


@settings(deadline=None)
@given(st.lists(INDICES, min_size=1, max_size=9))
def test_many_vectors_add_up(parts: list[list[int]]) -> None:
    merged = merge_all([sparse(part, offset) for offset, part in enumerate(parts)])
    np.testing.assert_array_equal(
        densify(merged), sum(densify(sparse(part, offset)) for offset, part in enumerate(parts))
    )


def test_pairs_add_to_a_dense_vector() -> None:
    dense = np.ones(31, np.float32)
    add_to(dense, sparse([0, 30]))
    assert (dense[0], dense[1], dense[30]) == (2, 1, 32)


def test_dense_is_shorter_from_half_of_the_elements_on() -> None:
    assert not is_dense(49, 100)
    assert is_dense(50, 100)
