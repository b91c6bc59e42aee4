"""Symmetric positive definite band systems, as many at once as a vector has lanes.

``band`` is float64 [equations, half bandwidth + 1, lanes]: ``band[j, i - j]`` is the entry of row i ≥ j and column j.
Every function works on the first ``lanes`` of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.compiling import numba

Array = NDArray[np.float64]

_jit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})


@_jit
def factorise(band: Array, lanes: int) -> None:
    """LDLᵀ in place: the diagonal becomes 1/D, what is below it L (G. H. Golub and C. F. Van Loan, section 4.3.5)."""
    equations, width, _ = band.shape
    factor = np.empty(band.shape[2])
    for j in range(equations):
        column = band[j]
        for lane in range(lanes):
            column[0, lane] = 1 / column[0, lane]
        reach = min(width, equations - j)
        for i in range(1, reach):
            for lane in range(lanes):
                factor[lane] = column[i, lane] * column[0, lane]
            row = band[j + i]
            for k in range(i, reach):
                for lane in range(lanes):
                    row[k - i, lane] -= factor[lane] * column[k, lane]
        for i in range(1, reach):
            for lane in range(lanes):
                column[i, lane] *= column[0, lane]


@_jit
def solve(band: Array, right: Array, lanes: int) -> None:
    """Overwrite ``right`` [equations, lanes] with the solution, given what `factorise` left."""
    equations, width, _ = band.shape
    for j in range(equations):
        for i in range(1, min(width, equations - j)):
            for lane in range(lanes):
                right[j + i, lane] -= band[j, i, lane] * right[j, lane]
    for j in range(equations - 1, -1, -1):
        for lane in range(lanes):
            right[j, lane] *= band[j, 0, lane]
        for i in range(1, min(width, equations - j)):
            for lane in range(lanes):
                right[j, lane] -= band[j, i, lane] * right[j + i, lane]
