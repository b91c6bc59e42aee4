import numpy as np
import pytest

from kernels.data import gather
from kernels.data.text import encode


def encoded(records):
    return gather.as_stored(encode(records).tobytes(), "text")


@pytest.fixture
def raw():
    return np.random.default_rng(0).standard_normal((7, 1088)).astype(np.float32)


ROWS = np.array([1, 1, 4, 6])


@pytest.mark.parametrize(("form", "store"), [("binary", np.copy), ("text", encoded)])
def test_rows_are_normalised_as_in_float64(raw, form, store):
    offset, scale = np.linspace(-1, 1, 1088, dtype=np.float32), np.linspace(0.5, 2, 1088, dtype=np.float32)
    expected = (raw[ROWS].astype(np.float64) - offset) * scale
    # two files, the second with the last records
    parts = [store(raw[:5]), store(raw[5:])]
    addresses = np.concatenate([gather.addresses_of(part) for part in parts])
    out = np.full((4, 1088), np.nan, np.float32)
    gather.GATHER[form](addresses, ROWS, offset, scale, out)
    np.testing.assert_allclose(out, expected, atol=1e-6)
    gather.normalise_with_numpy(raw, ROWS, offset, scale, out)
    np.testing.assert_allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize(("scatter", "store"), [(gather.scatter_binary, np.copy), (gather.scatter_text, encoded)])
def test_records_come_to_their_places(raw, scatter, store):
    offset, scale = np.linspace(-1, 1, 1088, dtype=np.float32), np.linspace(0.5, 2, 1088, dtype=np.float32)
    out = np.full((9, 1088), np.nan, np.float32)
    places = np.array([8, 1, 0, 4])
    scatter(store(raw[:4]), places, offset, scale, out)
    np.testing.assert_allclose(out[places], (raw[:4].astype(np.float64) - offset) * scale, atol=1e-6)
    assert np.isnan(out[[2, 3, 5, 6, 7]]).all()


def test_rows_are_copied(raw):
    out = np.empty((4, 1088), np.float32)
    gather.copy(raw, ROWS, out)
    assert np.array_equal(out, raw[ROWS])
