"""How good predicted labels are, beside what the thesis reports for its own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kernels.api import Figure
from kernels.training.network import HEADS

# the thesis's validation loss, section 4.3.4
THESIS_LOSS = 0.0386
# below these are 90 % of its errors
_THESIS_90 = {"M": 0.01, "r00": 0.01, "r45": 0.01}
_THESIS_90_OTHERS = 0.1
_EDGES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def loss_by_label(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean squared error of each normalised label, [8], for [N, 8]; their sum is the loss."""
    found: NDArray[np.float64] = np.square(errors).mean(axis=0)
    return found


def error_figures(errors: NDArray[np.float64]) -> list[Figure]:
    """For each label the error that 90 % stay below, the thesis's own, the largest, and a histogram; from [N, 8]."""
    sizes = np.abs(errors)
    figures = []
    for index, head in enumerate(HEADS):
        column, label = sizes[:, index], head.label
        figures += [
            Figure(name=f"90 % of errors, {label}", value=float(np.quantile(column, 0.9)), better="lower"),
            Figure(name=f"90 % of errors, {label}, thesis", value=_THESIS_90.get(label, _THESIS_90_OTHERS)),
            Figure(name=f"largest error, {label}", value=float(column.max()), better="lower"),
            Figure(name=f"histogram, {label}", value=histogram(column)),
        ]
    return figures


def histogram(errors: NDArray[np.float64]) -> str:
    """The shares of errors up to each of some bounds, as "0.005: 41 %, 0.01: 22 %, ..., more: 3 %"."""
    counts, _ = np.histogram(errors, [0.0, *_EDGES, math.inf])
    names = [*(f"{edge:g}" for edge in _EDGES), "more"]
    return ", ".join(f"{name}: {100 * count / len(errors):.0f} %" for name, count in zip(names, counts, strict=True))
