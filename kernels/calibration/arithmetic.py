"""How fast matrices are multiplied, on any device: the most arithmetic that a program gets out of a machine."""

from __future__ import annotations

from collections.abc import Callable

import torch

from kernels.calibration.trials import quickest_s

# types whose matrix products are timed; those that a device's library lacks or emulates show it by their rate
DTYPES = ("float32", "float64", "bfloat16")
_ROWS = {"cpu": 1024, "cuda": 8192}
_TRIALS = 3
# of the columns of a product, compared with the reference
_CHECKED = 8


class MatrixProbe:
    """Square matrices of standard normal numbers on ``place``, with torch's threads."""

    def __init__(self, place: torch.device, synchronize: Callable[[], None], seed: int) -> None:
        rows = _ROWS[place.type]
        generator = torch.Generator().manual_seed(seed)
        self._factors = [torch.randn(rows, rows, generator=generator, dtype=torch.float64) for _ in range(2)]
        self._synchronize = synchronize
        self._operands = {name: [factor.to(place, getattr(torch, name)) for factor in self._factors] for name in DTYPES}
        self._product = {name: torch.empty_like(operands[0]) for name, operands in self._operands.items()}

    def rate(self, dtype: str) -> float:
        """Operations a second, the best of a few products: 2 n^3 for one of order n."""
        left, right = self._operands[dtype]

        def multiply() -> None:
            torch.matmul(left, right, out=self._product[dtype])
            self._synchronize()

        self._synchronize()
        return 2.0 * len(left) ** 3 / quickest_s(multiply, _TRIALS)

    def error(self, dtype: str) -> float:
        """The last product's largest error over its bound, in some columns, against float64.

        The bound is that of a sum of n products in any order, n u |a| |b| (Higham, Accuracy and Stability of Numerical
        Algorithms, 2nd ed., eq. 3.13), with a rounding more for the result in its type; torch sums in float32 or
        wider.
        """
        left, right = (operand.double().cpu() for operand in self._operands[dtype])
        right = right[:, :_CHECKED]
        unit = torch.finfo(getattr(torch, dtype)).eps / 2
        unit_sum = min(unit, torch.finfo(torch.float32).eps / 2)
        magnitude = left.abs() @ right.abs()
        exact = left @ right
        bound = 2 * len(left) * unit_sum * magnitude + 2 * unit * exact.abs()
        computed = self._product[dtype][:, :_CHECKED].double().cpu()
        return float(((computed - exact).abs() / bound).max())
