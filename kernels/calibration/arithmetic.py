"""How fast matrices are multiplied, on any device: the most arithmetic that a program gets out of a machine."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from kernels.calibration.trials import quickest_s

# types whose products are timed; those that a device's library lacks or emulates show it by their rate
DTYPES = ("float32", "float64", "bfloat16")
_ROWS = {"cpu": 1024, "cuda": 8192}
# of a convolution: images, channels in and out, edges of an image and of the kernel
_IMAGES, _CHANNELS, _EDGE, _KERNEL = 8, 128, 34, 3
_TRIALS = 3
# of the rows or channels that come out, compared with the reference
_CHECKED = 8

Multiply = Callable[[Tensor, Tensor], Tensor]


class MatrixProbe:
    """Products of standard normal numbers on ``place``, with torch's threads: matrices and, on CPUs, convolutions.

    Those are products of matrices too, by another of torch's libraries, which is the faster one on some CPUs. A GPU's
    may do with fewer operations than are counted here (Lavin and Gray, arXiv 1509.09308), so there are none on GPUs.
    """

    def __init__(self, place: torch.device, synchronize: Callable[[], None], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        rows = _ROWS[place.type]
        self._synchronize = synchronize
        self._operands: dict[Multiply, tuple[Tensor, Tensor]] = {torch.matmul: (draw(rows, rows), draw(rows, rows))}
        if place.type == "cpu":
            images = draw(_IMAGES, _CHANNELS, _EDGE, _EDGE).contiguous(memory_format=torch.channels_last)
            self._operands[_convolve] = draw(_CHANNELS, _CHANNELS, _KERNEL, _KERNEL), images
        self._rounded = {
            (multiply, name): tuple(operand.to(place, getattr(torch, name)) for operand in operands)
            for multiply, operands in self._operands.items()
            for name in DTYPES
        }
        self._results: dict[tuple[Multiply, str], Tensor] = {}

    def rate(self, dtype: str) -> float:
        """Operations a second, the best of a few products of either kind: 2 n^3 for matrices of order n."""
        return max(self._rate(multiply, dtype) for multiply in self._operands)

    def _rate(self, multiply: Multiply, dtype: str) -> float:
        left, right = self._rounded[multiply, dtype]

        def work() -> None:
            self._results[multiply, dtype] = multiply(left, right)
            self._synchronize()

        self._synchronize()
        quickest = quickest_s(work, _TRIALS)
        return 2.0 * _terms(left) * self._results[multiply, dtype].numel() / quickest

    def error(self, dtype: str) -> float:
        """The last products' largest error over its bound, in some rows or channels, against float64."""
        return max(self._error(multiply, dtype) for multiply in self._operands)

    def _error(self, multiply: Multiply, dtype: str) -> float:
        """The bound is that of a sum of n products in any order, n u |a| |b|.

        Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., eq. 3.13, with a rounding more for the result
        in its type; torch sums in float32 or wider.
        """
        left, right = (operand.double().cpu() for operand in self._rounded[multiply, dtype])
        left = left[:_CHECKED]
        unit = torch.finfo(getattr(torch, dtype)).eps / 2
        unit_sum = min(unit, torch.finfo(torch.float32).eps / 2)
        exact = multiply(left, right)
        bound = 2 * _terms(left) * unit_sum * multiply(left.abs(), right.abs()) + 2 * unit * exact.abs()
        computed = self._results[multiply, dtype][:_CHECKED].double().cpu()
        return float(((computed - exact).abs() / bound).max())


def _convolve(kernels: Tensor, images: Tensor) -> Tensor:
    """[O, C, k, k] and [N, C, H, W] to [O, N, H - k + 1, W - k + 1]."""
    return functional.conv2d(images, kernels).transpose(0, 1)


def _terms(left: Tensor) -> int:
    """Products that are summed up for a number that comes out."""
    return left.numel() // len(left)
