import numpy as np
import pytest

from kernels.compiling import numba
from kernels.data.streaming import fence, move_row


@numba.njit
def move(rows, out):
    for place in range(len(rows)):
        move_row(rows[place], rows[-1], out[place])
    fence()


# bytes before the first row: what files hold begins anywhere
@pytest.mark.parametrize("offset", [0, 4, 60])
def test_rows_are_moved_bit_by_bit_and_nothing_else(offset):
    stored = np.random.default_rng(0).bytes(offset + 5 * 1088 * 4)
    rows = np.frombuffer(stored, np.float32, offset=offset).reshape(5, 1088)
    out = np.zeros((7, 1088), np.float32)
    move(rows, out[1:6])
    assert out[1:6].tobytes() == rows.tobytes()
    assert not out[[0, 6]].any()
