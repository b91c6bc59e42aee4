"""On which side of their kinks ReLUs and pools are: rounding decides it, and the gradient jumps there.

Of some million ReLUs, rounding puts a few on the other side, which changes the gradient by more than all else is wrong.
So a reference in higher precision takes the sides that were found, and by how much they are not its own is an error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

# of `gradient_error`, by device. In float32 a sum of m terms is off by about √m u of its size (Higham and Mary, SIAM J.
# Sci. Comput. 41(5), 2019, theorem 3.1), u = 2⁻²⁴, and a weight's gradient is a sum over a batch and its places, up to
# a million. On GPUs cuDNN rounds what it convolves to TF32, u = 2⁻¹¹, in 7 layers that follow one another and their way
# back: at most 14 u, if no error made up for another.
TOLERANCE = {"cpu": 2.0**-14, "cuda": 2.0**-7}


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


def gradient_error(
    found: Tensor, sides: list[Tensor] | None, reference: nn.Module, gradient: Callable[[], Tensor], comm: Any
) -> float:
    """Of a gradient summed over ranks, the relative error in the 2-norm, or the largest lack if that is more.

    ``gradient`` is this rank's part from the float64 network ``reference``, which takes the ``sides`` told by the step
    that ``found`` the sum, or its own where None were told; lacks are of normalised values, so of about 1. Collective;
    each rank has its own error.
    """
    with taking_sides(reference, sides) as lacking:
        part = gradient().cpu().numpy()
    exact = np.empty_like(part)
    comm.Allreduce(part, exact)
    error = relative_error(found.double().cpu().numpy(), exact)
    return error if sides is None else float(np.max([error, largest(lacking)]))


def largest(lacking: list[Tensor]) -> float:
    """The largest of what `taking_sides` found to lack; 0 where nothing does."""
    return max((values.abs().max().item() for values in lacking if values.numel()), default=0.0)


def relative_error(found: Any, right: Any) -> float:
    """In the 2-norm, of arrays."""
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))
