from __future__ import annotations

import numpy as np

from kernels.quantum.loops.binding import walsh, walsh_each


def test_the_transform_sums_with_the_signs_of_parities():
    values = np.random.default_rng(2).normal(size=32)
    states = np.arange(32)
    signs = 1.0 - 2.0 * (np.bitwise_count(states[:, None] & states) & 1)
    transformed = values.copy()
    walsh(transformed)
    np.testing.assert_allclose(transformed, signs @ values, atol=1e-13, rtol=0)
    tables = np.tile(values, (2, 3, 1))
    walsh_each(tables)
    np.testing.assert_array_equal(tables, np.broadcast_to(transformed, tables.shape))
