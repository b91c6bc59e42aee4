import csv
import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels.data.text import decode, encode

values = arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


def record_of(some):
    return np.resize(some, (1, 1088)).astype(np.float32)


# the first example compiles
@settings(deadline=None)
@given(values)
def test_every_finite_float32_comes_back(some):
    record = record_of(some)
    assert np.array_equal(decode(encode(record)), record)


# the first example compiles
@settings(deadline=None)
@given(values)
def test_lines_are_ordinary_csv(some):
    line = encode(record_of(some)).tobytes().decode()
    (row,) = csv.reader(io.StringIO(line))
    assert np.array_equal(np.array([float(field) for field in row[:20]], np.float32), some)
    assert all(len(field) == 15 for field in row)
    assert line.endswith("\n")


def test_characters_are_those_of_the_format():
    values = np.zeros((1, 1088), np.float32)
    values[0, :6] = [1, -2.5, 9.9999998e9, 1e-45, -3.4028235e38, 0.1]
    line = encode(values).tobytes().decode()
    assert line.split(",")[:6] == [f"{value: .8e}" for value in values[0, :6].tolist()]


def test_decoding_into_memory_that_is_there():
    values = np.random.default_rng(0).standard_normal((3, 1088)).astype(np.float32)
    out = np.empty_like(values)
    assert decode(encode(values), out) is out
    assert np.array_equal(out, values)
