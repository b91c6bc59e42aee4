"""Records from where they lie to their places in a batch, compiled and free of the interpreter's lock.

``rows`` are int64 [n], ``out`` is float32 [n, 1088]; a normalised value is (raw − ``offset``)·``scale`` in float32.
``addresses``, int64 [m], say where in memory each record lies, so that one call gathers from any number of files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.communication.intrinsics import array_at
from kernels.compiling import numba
from kernels.data.manifest import COLUMNS, FORMS, VALUE_TYPE, Floats, Form
from kernels.data.streaming import AHEAD, fence, move_row
from kernels.data.text import WORD_TYPE, Words, parse_value

Rows = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def copy(records: Floats, rows: Rows, out: Floats) -> None:
    """Records [m, 1088] that are normalised already."""
    for place in range(rows.size):
        following = rows[min(place + AHEAD, rows.size - 1)]
        move_row(records[rows[place]], records[following], out[place])
    fence()


@numba.njit(cache=True, nogil=True)
def normalise_binary(addresses: Rows, rows: Rows, offset: Floats, scale: Floats, out: Floats) -> None:
    """Raw records, float32 [1088] each."""
    normalised = np.empty(out.shape[1], np.float32)
    for place in range(rows.size):
        following = rows[min(place + AHEAD, rows.size - 1)]
        _normalise_values(array_at(addresses[rows[place]], offset), offset, scale, normalised)
        move_row(normalised, array_at(addresses[following], offset), out[place])
    fence()


@numba.njit(cache=True, nogil=True)
def normalise_text(addresses: Rows, rows: Rows, offset: Floats, scale: Floats, out: Floats) -> None:
    """Lines of text, uint64 [2176] each."""
    line = np.empty(2 * out.shape[1], np.uint64)
    for place in range(rows.size):
        _normalise_line(array_at(addresses[rows[place]], line), offset, scale, out[place])


@numba.njit(cache=True, nogil=True)
def scatter_binary(records: Floats, places: Rows, offset: Floats, scale: Floats, out: Floats) -> None:
    """Raw records, float32 [n, 1088], each to its place in ``out`` [m, 1088]."""
    for row in range(places.size):
        _normalise_values(records[row], offset, scale, out[places[row]])


@numba.njit(cache=True, nogil=True)
def scatter_text(lines: Words, places: Rows, offset: Floats, scale: Floats, out: Floats) -> None:
    """Lines of text, uint64 [n, 2176], each to its place in ``out`` [m, 1088]."""
    for row in range(places.size):
        _normalise_line(lines[row], offset, scale, out[places[row]])


@numba.njit(cache=True, nogil=True)
def _normalise_values(record: Floats, offset: Floats, scale: Floats, out: Floats) -> None:
    for column in range(out.size):
        out[column] = (record[column] - offset[column]) * scale[column]


@numba.njit(cache=True, nogil=True)
def _normalise_line(line: Words, offset: Floats, scale: Floats, out: Floats) -> None:
    for column in range(out.size):
        raw = np.float32(parse_value(line[2 * column], line[2 * column + 1]))
        out[column] = (raw - offset[column]) * scale[column]


def normalise_with_numpy(records: Floats, rows: Rows, offset: Floats, scale: Floats, out: Floats) -> None:
    """Raw records, float32 [m, 1088], as one writes it without a compiler."""
    # with the default mode NumPy would gather into a copy of ``out`` first
    np.take(records, rows, axis=0, out=out, mode="clip")
    np.subtract(out, offset, out=out)
    np.multiply(out, scale, out=out)


def as_stored(content: Any, form: Form) -> Any:
    """The bytes of whole records as the functions above take them: float32 [n, 1088] or uint64 [n, 2176]."""
    stored = np.frombuffer(content, VALUE_TYPE if form == "binary" else WORD_TYPE)
    return stored.reshape(-1, COLUMNS * FORMS[form].value_bytes // stored.itemsize)


def addresses_of(stored: Any) -> Rows:
    """Where the records lie that `as_stored` made, which must be kept as long."""
    first: int = stored.ctypes.data
    return first + stored.strides[0] * np.arange(len(stored), dtype=np.int64)


GATHER: dict[Form, Any] = {"binary": normalise_binary, "text": normalise_text}
SCATTER: dict[Form, Any] = {"binary": scatter_binary, "text": scatter_text}
