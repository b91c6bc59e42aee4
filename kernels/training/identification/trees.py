"""The classical answer: gradient-boosted trees on principal components, a forest for each label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.training.identification.data import Samples


class Forests:
    """scikit-learn's histogram gradient boosting; the labels are divided over ranks by whoever makes it."""

    def __init__(self, iterations: int, seed: int, labels: range) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.labels = labels
        self.models: list[Any] = [
            HistGradientBoostingRegressor(max_iter=iterations, early_stopping=False, random_state=seed) for _ in labels
        ]

    def fit(self, samples: Samples) -> None:
        """On the components."""
        components = samples.components.numpy()
        for label, model in zip(self.labels, self.models, strict=True):
            model.fit(components, samples.targets[:, label].numpy())

    def predict(self, samples: Samples) -> NDArray[np.float64]:
        """[N, labels of this rank]."""
        columns = [model.predict(samples.components.numpy()) for model in self.models]
        return np.array(columns).reshape(len(columns), len(samples.targets)).T


def walk(model: Any, components: NDArray[np.float64]) -> NDArray[np.float64]:
    """The label [N] of each row, down every tree node by node: the mean that boosting starts from, and its leaves."""
    baseline = float(np.ravel(model._baseline_prediction)[0])
    return np.array([baseline + sum(_leaf(tree.nodes, row) for (tree,) in model._predictors) for row in components])


def _leaf(nodes: NDArray[np.void], row: NDArray[np.float64]) -> float:
    node = nodes[0]
    while not node["is_leaf"]:
        below = row[node["feature_idx"]] <= node["num_threshold"]
        node = nodes[node["left"] if below else node["right"]]
    return float(node["value"])
