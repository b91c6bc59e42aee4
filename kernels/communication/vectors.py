"""Loops over vectors of float32 or float64, compiled by Numba for other compiled code to call."""

from __future__ import annotations

from kernels.compiling import numba


@numba.njit(cache=True)
def add(target, left, right):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """All elements of ``target``; the others may be longer."""
    for index in range(target.size):
        target[index] = left[index] + right[index]


@numba.njit(cache=True)
def copy(source, target):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """All elements; both are of one length."""
    target[:] = source
