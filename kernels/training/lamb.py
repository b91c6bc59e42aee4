"""LAMB: Adam's direction, with a step as long as the layer's weights ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Lamb(torch.optim.Optimizer):
    """Layer-wise adaptive moments (You et al., ICLR 2020, algorithm 2, with φ the identity and weight decay).

    A layer's step is ``lr`` · |w| / |d| · d, with d Adam's direction and the decay; 1 stands for a ratio that is not
    defined. Lists of tensors are worked on together, which is as fast as torch's own fused optimisers allow.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; ``closure`` is not used."""
        for group in self.param_groups:
            pairs = [(weight, weight.grad) for weight in group["params"] if weight.grad is not None]
            if pairs:
                self._update([weight for weight, _ in pairs], [gradient for _, gradient in pairs], group)

    def _update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        first, second = self._moments(weights, "first"), self._moments(weights, "second")
        group["steps"] = group.get("steps", 0) + 1
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        scale = torch._foreach_div(second, 1 - beta2 ** group["steps"])
        torch._foreach_sqrt_(scale)
        torch._foreach_add_(scale, group["eps"])
        directions = torch._foreach_div(first, 1 - beta1 ** group["steps"])
        torch._foreach_div_(directions, scale)
        torch._foreach_add_(directions, weights, alpha=group["weight_decay"])
        lengths = zip(torch._foreach_norm(weights), torch._foreach_norm(directions), strict=True)
        ratios = [torch.where((weight > 0) & (step > 0), weight / step, 1.0) for weight, step in lengths]
        torch._foreach_mul_(directions, ratios)
        torch._foreach_add_(weights, directions, alpha=-group["lr"])

    def _moments(self, weights: list[Tensor], name: str) -> list[Tensor]:
        for weight in weights:
            self.state[weight].setdefault(name, torch.zeros_like(weight))
        return [self.state[weight][name] for weight in weights]
