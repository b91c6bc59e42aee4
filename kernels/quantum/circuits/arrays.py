"""The kinds of arrays that the quantum modules pass around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]
States = NDArray[np.complex128]

# of a state's precision: float32 or float64, complex64 or complex128
AnyReals = NDArray[Any]
AnyComplexes = NDArray[Any]
