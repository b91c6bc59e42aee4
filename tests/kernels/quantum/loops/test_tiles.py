from __future__ import annotations

import numpy as np
import pytest

from kernels.quantum.engine.binding import make_targets
from kernels.quantum.loops import tiles
from kernels.quantum.planning import layouts
from kernels.quantum.planning.fusion import Sweep

ROW_BITS, COLUMN_BITS = 5, 6


def permutation(seed: int, lined: bool) -> Sweep:
    """A random linear map of addresses; where lined, the lowest three targets are made by rows, columns add to them."""
    random = np.random.default_rng(seed)
    bits = ROW_BITS + COLUMN_BITS
    while True:
        images = [int(image) for image in random.integers(1, 1 << bits, bits)]
        if lined:
            images[COLUMN_BITS : COLUMN_BITS + 3] = [1, 2, 4]
        rows, columns = layouts.span(images[COLUMN_BITS:]), layouts.span(images[:COLUMN_BITS])
        if len(np.unique(rows[:, None] ^ columns)) == 1 << bits:
            return Sweep([], rows ^ int(random.integers(1 << bits)), columns)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(("seed", "lined"), [(0, True), (1, True), (2, True), (3, False)])
def test_tiles_go_to_their_targets_and_come_back(dtype: type, seed: int, lined: bool):
    sweep, random = permutation(seed, lined), np.random.default_rng(seed)
    state = (random.normal(size=(2, 1 << ROW_BITS + COLUMN_BITS, 2)) @ [1, 1j]).astype(dtype)
    targets = make_targets([sweep], state.itemsize)
    assert targets.lined[0] == lined
    written, back = np.zeros_like(state), np.zeros_like(state)
    tile = tiles.make_tiles(1, 1 << ROW_BITS, state.real.dtype)[0]
    columns, width = 1 << COLUMN_BITS, 16
    for item in range(2 * columns // width):
        place = tiles.place_of(item, width, columns, state.itemsize)
        tiles.read(tile, place, state)
        tiles.write(tile, place, written, targets, 0)
    right = np.zeros_like(state)
    right[:, (sweep.row_targets[:, None] ^ sweep.column_targets).flatten()] = state
    np.testing.assert_array_equal(written, right)
    for item in range(2 * columns // width):
        place = tiles.place_of(item, width, columns, state.itemsize)
        tiles.take_back(tile, place, written, targets, 0)
        tiles.store_back(tile, place, back)
    np.testing.assert_array_equal(back, state)


def test_every_worker_gets_a_tile_but_no_less_than_a_line():
    state = np.zeros((1, 1 << 16), np.complex64)
    assert tiles.tile_width(state, 1 << 7, 1) == 64
    assert tiles.tile_width(state, 1 << 7, 4) == 32
    assert tiles.tile_width(state, 1 << 7, 100) == 8
    assert tiles.tile_width(state[:, :64], 4, 1) == 4
