"""On which side of their kinks ReLUs and pools are: rounding decides it, and the gradient jumps there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional


@contextlib.contextmanager
def taking_sides(network: nn.Module, given: list[Tensor] | None = None) -> Iterator[list[Tensor]]:
    """Tell the side of every ReLU and maximum pool in turn, or have them take sides that are given.

    Leaves a list: of sides (bool tensors, and int64 places of maxima), or of what values lack to the side given: the
    inputs of ReLUs that lie on the other, and how far the values that pools take are below the maximum.
    """
    ahead = iter(given or [])
    found: list[Tensor] = []

    def tell(layer: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> None:
        if isinstance(layer, nn.MaxPool1d):
            found.append(functional.max_pool1d(inputs[0].detach(), layer.kernel_size, return_indices=True)[1])
        else:
            found.append(inputs[0] > 0)

    def take(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        side, values = next(ahead), inputs[0]
        if isinstance(layer, nn.MaxPool1d):
            taken = values.gather(2, side)
            lacking = (output - taken).detach()
            found.append(lacking[lacking > 0])
            return taken
        found.append(values.detach()[(values > 0) != side])
        return values * side

    layers = [layer for layer in network.modules() if isinstance(layer, nn.ReLU | nn.MaxPool1d)]
    hooks = [layer.register_forward_hook(tell if given is None else take) for layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def largest(lacking: list[Tensor]) -> float:
    """The largest of what `taking_sides` found to lack; 0 where nothing does."""
    return max((values.abs().max().item() for values in lacking if values.numel()), default=0.0)
