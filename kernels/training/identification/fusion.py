"""Two networks, for the easy and the hard labels, that lend each other features; which edges, is searched for.

MTL-NAS (Gao et al., CVPR 2020): fixed backbones, an edge from each stage to each stage of the other network that is no
earlier, and one number an edge that says whether it is taken. Widths and stages are scaled down.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from kernels.training.identification.data import CHANNELS
from kernels.training.network import HEADS, LENGTH

# output channels over the width, and the pool before each stage
_STAGES = ((1, 1), (2, 2), (2, 2), (1, 1))
# a fusion begins as nearly its own network's features
_OWN, _OTHER = 0.9, 0.1
_GROUPS = tuple(tuple(index for index, head in enumerate(HEADS) if head.deep is deep) for deep in (False, True))


class Edge(nn.Module):
    """Features of a stage brought to another's channels and length, times its gate."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(inputs, outputs, 1, bias=False)
        with torch.no_grad():
            nn.init.dirac_(self.mix.weight).mul_(_OTHER)

    def forward(self, values: Tensor, gate: Tensor, length: int) -> Tensor:
        """[N, C, L] to [N, C', length]."""
        return gate * self.mix(functional.adaptive_avg_pool1d(values, length))


class FusedNetworks(nn.Module):
    """From records [N, 2160] as `data.Samples` has them to what is asked of the eight labels [N, 8].

    ``gates`` [edges] weigh the edges: between 0 and 1 while they are searched for, 0 or 1 else.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * times for times, _ in _STAGES]
        inputs = [CHANNELS, *widths]
        self.stages = nn.ModuleList(
            nn.ModuleList(_stage(inputs[stage], widths[stage], _STAGES[stage][1]) for stage in range(len(_STAGES)))
            for _ in _GROUPS
        )
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm1d(channels) for channels in widths) for _ in _GROUPS)
        self.pairs = [(i, j, group) for group in range(2) for j in range(len(_STAGES)) for i in range(j + 1)]
        self.edges = nn.ModuleList(Edge(widths[i], widths[j]) for i, j, _ in self.pairs)
        features = widths[-1] * (LENGTH // 8)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.MaxPool1d(2),
                nn.Flatten(),
                nn.Linear(features, 4 * width),
                nn.ReLU(),
                nn.Linear(4 * width, len(group)),
            )
            for group in _GROUPS
        )

    def forward(self, records: Tensor, gates: Tensor) -> Tensor:
        """Stage by stage, both networks from what both had before."""
        inputs = records.view(-1, CHANNELS, LENGTH)
        current = [inputs, inputs]
        passed: list[list[Tensor]] = [[], []]
        for stage in range(len(_STAGES)):
            for group in range(2):
                passed[group].append(self.stages[group][stage](current[group]))  # type: ignore[index]
            current = [self._fuse(passed, stage, group, gates) for group in range(2)]
        outputs = torch.cat([head(values) for head, values in zip(self.heads, current, strict=True)], dim=1)
        order = [index for group in _GROUPS for index in group]
        return outputs[:, sorted(range(len(order)), key=order.__getitem__)]

    def _fuse(self, passed: list[list[Tensor]], stage: int, group: int, gates: Tensor) -> Tensor:
        own = passed[group][stage]
        total = _OWN * own
        for index, (source, target, into) in enumerate(self.pairs):
            # an edge that is not there costs nothing, unless it is asked how much it would bring
            if (target, into) == (stage, group) and (gates.requires_grad or gates[index]):
                total = total + self.edges[index](passed[1 - group][source], gates[index], own.shape[2])
        fused: Tensor = self.norms[group][stage](total)  # type: ignore[index]
        return fused


def draw_gates(alphas: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Relaxed Bernoulli variables of probability sigmoid(α) (Maddison et al., ICLR 2017, appendix B)."""
    uniform = torch.rand(alphas.shape, generator=generator).clamp(1e-6, 1 - 1e-6).to(alphas)
    return torch.sigmoid((alphas + torch.logit(uniform)) / temperature)


def entropy(alphas: Tensor) -> Tensor:
    """Mean entropy, in nats, of whether each edge is taken."""
    return functional.binary_cross_entropy_with_logits(alphas, torch.sigmoid(alphas))


def _stage(inputs: int, outputs: int, pool: int) -> nn.Sequential:
    return nn.Sequential(
        nn.MaxPool1d(pool) if pool > 1 else nn.Identity(),
        nn.Conv1d(inputs, outputs, 3, padding="same", bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
    )
