"""Records as text: lines of comma-separated values, each in C's format ``% .8e`` and so 15 characters wide.

Nine significant digits bring back every float32 (IEEE 754-2019, section 5.12.2). Equal widths cost nothing to a reader
of ordinary CSV files, and let one that knows of them find any record without reading those before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba
from kernels.data.manifest import COLUMNS, FORMS, Floats

Bytes = NDArray[np.uint8]
# 16 characters, a value and its separator, are two of them
Words = NDArray[np.uint64]
WORD_TYPE = np.dtype("<u8")

_WIDTH = FORMS["text"].value_bytes
_SPACE, _MINUS, _PLUS, _POINT, _E, _COMMA, _NEWLINE, _ZERO = (np.uint8(ord(sign)) for sign in " -+.e,\n0")
_FRACTION_DIGITS = 8
# the smallest float32 is 1.4e-45, and its mantissa is taken for a whole number
_LEAST_POWER = -45 - _FRACTION_DIGITS
_POWERS = np.array([float(f"1e{power}") for power in range(_LEAST_POWER, -_LEAST_POWER + 1)])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def parse_value(low: np.uint64, high: np.uint64) -> float:
    """The value whose 16 characters two words hold, the first one lowest, to one rounding of a float64."""
    fraction = _parse_eight_digits((low >> np.uint64(24)) | (high << np.uint64(40)))
    mantissa = np.int64(_digit(low, 1) * np.uint64(10**_FRACTION_DIGITS) + fraction)
    exponent = np.int64(_digit(high, 5) * np.uint64(10) + _digit(high, 6))
    if (high >> np.uint64(32)) & np.uint64(0xFF) == np.uint64(_MINUS):
        exponent = -exponent
    power = exponent - _FRACTION_DIGITS
    # powers of ten up to 22 are exact, their inverses are not
    value = mantissa / _POWERS[-power - _LEAST_POWER] if power < 0 else mantissa * _POWERS[power - _LEAST_POWER]
    return -value if low & np.uint64(0xFF) == np.uint64(_MINUS) else value


@numba.njit(cache=True, nogil=True)
def _parse_eight_digits(digits: np.uint64) -> np.uint64:
    """All digits at once: neighbours become numbers of two digits, then of four, then of eight.

    D. Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience 51 (2021), section 3.
    """
    pairs = ((digits & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(1 + (10 << 8))) >> np.uint64(8)
    fours = ((pairs & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(1 + (100 << 16))) >> np.uint64(16)
    return ((fours & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(1 + (10000 << 32))) >> np.uint64(32)


@numba.njit(cache=True, nogil=True)
def _digit(word: np.uint64, place: int) -> np.uint64:
    return (word >> np.uint64(8 * place)) & np.uint64(0x0F)


@numba.njit(cache=True, nogil=True)
def _decode_rows(words: Words, out: Floats) -> None:
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = parse_value(words[row, 2 * column], words[row, 2 * column + 1])


@numba.njit(cache=True, nogil=True)
def _encode_rows(values: Floats, out: Bytes) -> None:
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            _write_value(np.float64(values[row, column]), out[row], column * _WIDTH)
            out[row, (column + 1) * _WIDTH - 1] = _COMMA
        out[row, -1] = _NEWLINE


@numba.njit(cache=True, nogil=True)
def _write_value(value: float, text: Bytes, start: int) -> None:
    size = abs(value)
    exponent = int(np.floor(np.log10(size))) if size > 0 else 0
    mantissa = np.int64(np.rint(size * _POWERS[_FRACTION_DIGITS - exponent - _LEAST_POWER]))
    if mantissa >= 10 ** (_FRACTION_DIGITS + 1):
        mantissa //= 10
        exponent += 1
    text[start] = _MINUS if value < 0 else _SPACE
    for place in range(start + 2 + _FRACTION_DIGITS, start + 2, -1):
        text[place] = _ZERO + np.uint8(mantissa % 10)
        mantissa //= 10
    text[start + 2] = _POINT
    text[start + 1] = _ZERO + np.uint8(mantissa)
    text[start + 11] = _E
    text[start + 12] = _MINUS if exponent < 0 else _PLUS
    text[start + 13] = _ZERO + np.uint8(abs(exponent) // 10)
    text[start + 14] = _ZERO + np.uint8(abs(exponent) % 10)


def encode(values: Floats) -> Bytes:
    """The lines, uint8 [records, 17408], of finite records [records, 1088]."""
    out = np.empty((len(values), COLUMNS * _WIDTH), np.uint8)
    _encode_rows(values, out)
    return out


def decode(lines: Bytes, out: Floats | None = None) -> Floats:
    """The records [records, 1088] of lines, uint8 [records, 17408]; in ``out``, if that is given."""
    found: Any = np.empty((len(lines), COLUMNS), np.float32) if out is None else out
    _decode_rows(lines.view(WORD_TYPE), found)
    return found
