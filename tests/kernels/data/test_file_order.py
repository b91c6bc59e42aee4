import numpy as np
import pytest

from kernels.data import file_order


@pytest.mark.parametrize("form", ["binary", "text"])
@pytest.mark.parametrize(("stretch", "block_bytes"), [(1024, 64 * 4352), (13, 5 * 17408)])
def test_every_record_comes_to_its_place(shares, normalised, form, stretch, block_bytes, monkeypatch):
    monkeypatch.setattr(file_order, "_STRETCH_RECORDS", stretch)
    monkeypatch.setattr(file_order, "_BLOCK_BYTES", block_bytes)
    share = shares[form]
    places = np.random.default_rng(0).permutation(share.records)
    out = np.full((share.records, 1088), np.nan, np.float32)
    calls = list(file_order.readings(share, places, out))
    assert len(calls) == sum(-(-count // stretch) for count in np.diff(share.first_record))
    for call in reversed(calls):
        call()
    np.testing.assert_allclose(out[places], normalised, atol=1e-3)
