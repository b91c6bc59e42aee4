"""The network that the strategies divide: residual blocks of two linear layers on scikit-learn's handwritten digits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PIXELS = 64
CLASSES = 10


class Block(nn.Module):
    """x + W₂ gelu(W₁ x), [N, width] to [N, width]: the pair of layers that tensor parallelism splits.

    GELU and not ReLU, for a gradient that jumps cannot be told right to 1e-5: rounding decides on which side it falls.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, width)
        self.contract = nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """One block."""
        return values + self.contract(functional.gelu(self.expand(values)))


def make_layers(width: int, blocks: int, seed: int) -> nn.Sequential:
    """First layer, blocks, last layer: [N, 64] to [N, 10], float32, with the weights that the seed draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inner = [Block(width) for _ in range(blocks)]
        return nn.Sequential(nn.Linear(PIXELS, width), *inner, nn.Linear(width, CLASSES))


def load_digits() -> tuple[Tensor, Tensor]:
    """Standardised images, float32 [1797, 64], and labels, int64 [1797], in a fixed shuffled order."""
    from sklearn.datasets import load_digits as bundled

    images, labels = bundled(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = (images - images.mean()) / images.std()
    return torch.from_numpy(images[order].astype(np.float32)), torch.from_numpy(labels[order].astype(np.int64))


def batch_loss(outputs: Tensor, labels: Tensor, batch: int) -> Tensor:
    """This part's share of the mean cross-entropy of ``batch`` samples, a scalar: the parts' shares add up to it."""
    return functional.cross_entropy(outputs, labels, reduction="sum") / batch


def auxiliary_head(width: int, seed: int, stage: int) -> nn.Linear:
    """The classifier that trains a stage of local learning on its own, with weights that seed and stage draw."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1000 * (stage + 1))
        return nn.Linear(width, CLASSES)
