from __future__ import annotations

import numpy as np
import torch

from kernels.training.lamb import Lamb


def test_it_takes_the_steps_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((3, 4)), rng.standard_normal(5), np.zeros(2)]
    weights = [torch.nn.Parameter(torch.tensor(value)) for value in start]
    optimizer = Lamb(weights, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.05)
    exact = [value.copy() for value in start]
    first, second = ([np.zeros_like(value) for value in start] for _ in range(2))
    for step in range(1, 5):
        for index, value in enumerate(exact):
            gradient = rng.standard_normal(value.shape)
            weights[index].grad = torch.tensor(gradient)
            first[index] = 0.8 * first[index] + 0.2 * gradient
            second[index] = 0.9 * second[index] + 0.1 * gradient**2
            direction = (first[index] / (1 - 0.8**step)) / (np.sqrt(second[index] / (1 - 0.9**step)) + 1e-3)
            direction += 0.05 * value
            size = np.linalg.norm(value)
            ratio = size / np.linalg.norm(direction) if size > 0 else 1.0
            exact[index] = value - 0.1 * ratio * direction
        optimizer.step()
    for found, value in zip(weights, exact, strict=True):
        np.testing.assert_allclose(found.detach(), value, rtol=1e-12)
