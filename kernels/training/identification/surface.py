"""Response surfaces: labels as polynomials of principal components, by least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.api import divide

Array = NDArray[np.float64]

# in units of the components' variance, 1: many records bear the least, fewer than terms the largest
RIDGES = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
# rows of products at a time
_CHUNK = 1024


def products(components: Array, degree: int) -> Array:
    """1, the components [N, k] themselves and, of degree 2, all products of two: [N, terms]."""
    terms = [np.ones((len(components), 1)), components]
    if degree == 2:
        first, second = np.triu_indices(components.shape[1])
        terms.append(components[:, first] * components[:, second])
    return np.concatenate(terms, axis=1)


class ResponseSurface:
    """A polynomial of ``degree`` 1 or 2 (Box and Wilson, J. Royal Statistical Society B 13, 1951), by ridge regression.

    From components [N, k] and targets [N, m]; with ``comm`` each rank sums its share of the normal equations.
    """

    def __init__(self, degree: int, components: Array, targets: Array, comm: Any = None) -> None:
        self.degree, self.records = degree, len(components)
        share = divide(len(components), comm.size, comm.rank) if comm else range(len(components))
        count = products(components[:0], degree).shape[1]
        self.normal, self.right = np.zeros((count, count)), np.zeros((count, targets.shape[1]))
        for start in range(share.start, share.stop, _CHUNK):
            rows = slice(start, min(start + _CHUNK, share.stop))
            terms = products(components[rows], degree)
            self.normal += terms.T @ terms
            self.right += terms.T @ targets[rows]
        if comm and comm.size > 1:
            self.normal, self.right = comm.allreduce(self.normal), comm.allreduce(self.right)
        self.ridge = RIDGES[0]
        self.weights = self.solve(self.ridge)

    def solve(self, ridge: float) -> Array:
        """The weights [terms, m] of least squares plus ``ridge``·N times their own squares."""
        found = np.linalg.solve(self.normal + ridge * self.records * np.eye(len(self.normal)), self.right)
        return found.astype(np.float64)

    def choose(self, components: Array, targets: Array) -> None:
        """Of all `RIDGES` the one whose squared errors are least on these records, which are others."""
        terms = products(components, self.degree)
        choices = [(ridge, self.solve(ridge)) for ridge in RIDGES]
        self.ridge, self.weights = min(choices, key=lambda choice: np.square(terms @ choice[1] - targets).sum())

    def predict(self, components: Array) -> Array:
        """[N, m] for [N, k]."""
        return products(components, self.degree) @ self.weights

    def gradient(self, components: Array, targets: Array) -> Array:
        """Of half the sum of squares that `solve` makes smallest, by the weights; zero where they are right."""
        terms = products(components, self.degree)
        return terms.T @ (self.predict(components) - targets) + self.ridge * self.records * self.weights


def predict_term_by_term(surface: ResponseSurface, components: Array) -> NDArray[np.floating]:
    """What a quadratic ``surface`` predicts, [N, m], one record after the other in extended precision."""
    weights, found = surface.weights.astype(np.longdouble), []
    for row in components.astype(np.longdouble):
        pairs = [first * second for place, first in enumerate(row) for second in row[place:]]
        found.append(np.array([np.longdouble(1), *row, *pairs]) @ weights)
    return np.array(found)
