from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from kernels.quantum.loops import turns
from kernels.quantum.loops.lanes import VECTOR_BYTES, aligned


def test_the_circle_is_as_exact_as_float64():
    angles = np.concatenate([np.linspace(-300, 300, 10001), np.pi / 2 * np.arange(-9, 9)])
    cosines, sines = np.empty_like(angles), np.empty_like(angles)
    turns.circle(angles, cosines, sines)
    # a few units in the last place of 1, and of the angle where no fused multiply-add keeps its multiple of pi/2 exact
    tolerances = 5e-16 + np.finfo(np.float64).eps / 2 * np.abs(angles)
    assert (np.abs(cosines - np.cos(angles)) <= tolerances).all()
    assert (np.abs(sines - np.sin(angles)) <= tolerances).all()


# a right angle among them: its cosine is left out of products and comes back
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("halves", [[0.3], [0.4, -2.0], [0.5, 1.1, -0.7], [np.pi / 2] * 4, [0.1, 0.2, 0.3, 0.4, 0.5]])
def test_turns_are_real_rotations_of_rows_in_an_order(parts: int, halves: list[float]):
    bits, lanes, random = len(halves), VECTOR_BYTES // 8, np.random.default_rng(1)
    rows = 1 << bits
    order = random.permutation(rows)
    space = aligned((rows, parts * lanes), np.dtype(np.float64))
    space[:] = random.normal(size=space.shape)
    matrices = [np.array([[np.cos(half), -np.sin(half)], [np.sin(half), np.cos(half)]]) for half in halves]
    right = np.empty_like(space)
    # the first turn is that of the highest bit
    right[order] = reduce(np.kron, matrices) @ space[order]
    cosines, sines = (np.repeat(function(halves), lanes) for function in (np.cos, np.sin))
    turns.rotate(space.reshape(-1), parts, order, np.arange(bits)[::-1].copy(), np.arange(bits), cosines, sines)
    np.testing.assert_allclose(space, right, atol=1e-14, rtol=0)
