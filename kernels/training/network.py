"""The multi-task network that reads material parameters off strain records (thesis, sections 4.3.2 to 4.3.4).

A shared trunk of one-dimensional convolutions and one head a label; the labels that are hard to tell have deeper
heads. The thesis leaves the widths open: those here are this project's choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kernels.material.tensile import FEATURES, RECORD_SHAPE

# strain components × tensile directions; gauge elements × steps of elongation
CHANNELS = RECORD_SHAPE[0] * RECORD_SHAPE[1]
LENGTH = FEATURES // CHANNELS
_POOL = 2
_EXTRA_CONVOLUTIONS = 2


# how a chain of layers is run on its input
Block = Callable[[nn.Sequential, Tensor], Tensor]


class Head(NamedTuple):
    """One label: its name, whether its head is deep, and its weight in the loss."""

    label: str
    deep: bool
    weight: float = 1.0


# in the order of the labels in a record
HEADS = (
    Head("M", deep=False),
    Head("r00", deep=False),
    Head("r45", deep=False),
    Head("r90", deep=False),
    Head("E_norm", deep=True),
    Head("S_ratio", deep=True),
    Head("c_mult", deep=True),
    Head("n_pow", deep=True),
)


class MultiTaskNetwork(nn.Module):
    """From normalised strains, [N, 180·``channels``], to the eight normalised labels, [N, 8]; a record has 6 channels.

    ``width`` channels leave the first convolution; the second has twice as many, a head's convolutions as many, and
    its hidden layer (``hidden`` units) twice as many. Convolutions that a batch normalisation follows have no bias.
    """

    def __init__(self, width: int = 64, channels: int = CHANNELS) -> None:
        super().__init__()
        self.hidden = 2 * width
        self.channels = channels
        self.trunk = nn.Sequential(
            *_convolution(channels, width, kernel=5),
            nn.MaxPool1d(_POOL),
            *_convolution(width, 2 * width, kernel=3),
            nn.MaxPool1d(_POOL),
        )
        self.loss_weights: Tensor
        self.register_buffer("loss_weights", torch.tensor([head.weight for head in HEADS]), persistent=False)
        self.heads = nn.ModuleList(_HeadNetwork(head, width, LENGTH // _POOL**2) for head in HEADS)

    def forward(self, strains: Tensor, keep: Tensor | None = None, block: Block | None = None) -> Tensor:
        """``block`` runs the convolutions of trunk and heads and what follows them; by default layer by layer.

        ``keep`` is the dropout of the heads' hidden layers as `draw_keep` draws it; without it none drops out.

        Dropout is an input because a compiler draws its own random numbers: so every backend drops the same units,
        and a reference in higher precision can too.
        """
        block = block or _layer_by_layer
        shared = block(self.trunk, strains.view(-1, self.channels, LENGTH))
        outputs = [head(shared, None if keep is None else keep[index], block) for index, head in enumerate(self.heads)]
        return torch.cat(outputs, dim=1)


class _HeadNetwork(nn.Module):
    """Convolutions, pool, hidden layer, one output: [N, 2·width, length] to [N, 1]."""

    def __init__(self, head: Head, width: int, length: int) -> None:
        super().__init__()
        extra = [_convolution(width, width, kernel=3) for _ in range(_EXTRA_CONVOLUTIONS if head.deep else 0)]
        self.features = nn.Sequential(
            *_convolution(2 * width, width, kernel=3),
            *(layer for layers in extra for layer in layers),
            nn.MaxPool1d(_POOL),
            nn.Flatten(),
        )
        self.hidden = nn.Linear(width * (length // _POOL), 2 * width)
        self.relu = nn.ReLU()
        self.output = nn.Linear(2 * width, 1)

    def forward(self, shared: Tensor, keep: Tensor | None, block: Block) -> Tensor:
        hidden = self.relu(self.hidden(block(self.features, shared)))
        return self.output(hidden if keep is None else hidden * keep)


def draw_keep(keep: Tensor, generator: torch.Generator, dropout: float = 0.2) -> None:
    """Fill ``keep`` [8, N, hidden] with inverted dropout: 0 with probability ``dropout``, else 1 / (1 - dropout)."""
    keep.bernoulli_(1 - dropout, generator=generator).div_(1 - dropout)


def weighted_loss(outputs: Tensor, targets: Tensor, weights: Tensor, samples: int) -> Tensor:
    """Σ over the heads of weight [8] × mean squared error, for [N, 8] out of a batch of ``samples``, a scalar.

    Where a batch is divided over ranks, the ranks' losses and gradients so add up to the whole batch's.
    """
    return ((outputs - targets).square() @ weights).sum() / samples


def count_flops(network: MultiTaskNetwork, samples: int) -> int:
    """Floating-point operations of one forward and backward pass over ``samples`` samples.

    A convolution costs 2·C_in·C_out·K·L, a linear layer 2·F_in·F_out, a sample; backward costs as much again for the
    weights' gradient and again for the input's, which the first layer does not need (Goodfellow, Bengio and Courville,
    Deep Learning, section 6.5). Batch normalisation, activations, pooling, loss and optimiser are left out.
    """
    forward = first = 0
    for layer, length in _layers_and_lengths(network):
        weights = layer.weight.numel()
        first = first or 2 * weights * length
        forward += 2 * weights * length
    return (3 * forward - first) * samples


def count_activation_bytes(network: MultiTaskNetwork, samples: int) -> int:
    """Bytes of the float32 outputs of convolutions and linear layers, which backward needs, for ``samples`` samples."""
    return 4 * samples * sum(layer.weight.shape[0] * length for layer, length in _layers_and_lengths(network))


def _layers_and_lengths(network: MultiTaskNetwork) -> list[tuple[nn.Conv1d | nn.Linear, int]]:
    """The layers that multiply matrices, first to last, with the length of their output (1 for a linear layer)."""
    found: list[tuple[nn.Conv1d | nn.Linear, int]] = []
    for root, length in [(network.trunk, LENGTH), *((head, LENGTH // _POOL**2) for head in network.heads)]:
        for layer in root.modules():
            if isinstance(layer, nn.MaxPool1d):
                length //= _POOL
            elif isinstance(layer, nn.Conv1d):
                found.append((layer, length))
            elif isinstance(layer, nn.Linear):
                found.append((layer, 1))
    return found


def _layer_by_layer(layers: nn.Sequential, values: Tensor) -> Tensor:
    return layers(values)


def _convolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """A convolution that keeps the length, batch normalisation and ReLU."""
    return [
        nn.Conv1d(inputs, outputs, kernel, padding="same", bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
    ]
