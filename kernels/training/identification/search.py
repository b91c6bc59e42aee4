"""Search for the edges between two networks while they train, and the same networks with edges drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kernels.training.data_parallel import GradientSum
from kernels.training.identification.data import Samples
from kernels.training.identification.fusion import FusedNetworks, draw_gates, entropy
from kernels.training.identification.training import Trainer

if TYPE_CHECKING:
    from kernels.training.material_identification import MaterialIdentificationParameters

# MTL-NAS, core/config/defaults: the paper's own
_RATE, _DECAY, _ENTROPY = 3e-3, 1e-3, 10.0
_COLDEST = 0.05


class EdgeNetwork(nn.Module):
    """`FusedNetworks` with one number α an edge; in evaluation the edges of positive α are taken."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.body = FusedNetworks(width)
        self.alphas = nn.Parameter(torch.zeros(len(self.body.pairs)))
        self.temperature = 1.0
        self.relaxed = False
        self.noise = torch.Generator().manual_seed(seed)
        self.gates = self.taken()

    def taken(self) -> Tensor:
        """1 for each edge of positive α, else 0."""
        return (self.alphas.detach() > 0).to(self.alphas.dtype)

    def draw(self) -> Tensor:
        """New gates, which depend on α when they are relaxed."""
        return draw_gates(self.alphas, self.temperature, self.noise) if self.relaxed else self.taken()

    def forward(self, records: Tensor) -> Tensor:
        """[N, 2160] to [N, 8]."""
        outputs: Tensor = self.body(records, (self.gates if self.training else self.taken()).to(records.dtype))
        return outputs


class RandomEdges(Trainer):
    """Each edge is there with probability one half, once for all; those that are not cost nothing."""

    network: EdgeNetwork

    def __init__(self, network: EdgeNetwork, parameters: MaterialIdentificationParameters, comm: Any) -> None:
        super().__init__(network, parameters, comm)
        with torch.no_grad():
            network.alphas.copy_(torch.rand(len(network.alphas), generator=self.orders) - 0.5)
        network.gates = network.draw()


class EdgeSearch(Trainer):
    """Weights learn from one half of the training records and α from the other, a batch of each in turn.

    An epoch has as many batches as for any other network. The temperature falls from 1 as (1 − t/T)², and the entropy
    of the choice is made dearer from nothing to 10 (Gao et al., section 3.4).
    """

    network: EdgeNetwork

    def __init__(self, network: EdgeNetwork, parameters: MaterialIdentificationParameters, comm: Any) -> None:
        super().__init__(network, parameters, comm)
        network.relaxed = True
        self.choice = torch.optim.Adam([network.alphas], _RATE, weight_decay=_DECAY)
        self.choice_gradients = GradientSum([network.alphas], comm, torch.device("cpu"))
        self.progress = 0.0
        self.turn = 0

    def batches(self, count: int) -> Iterator[Tensor]:
        """By turns from the even and from the odd records."""
        halves = [torch.arange(start, count, 2) for start in (0, 1)]
        batch = min(self.parameters.batch, len(halves[1]))
        orders = [half[torch.randperm(len(half), generator=self.orders)] for half in halves]
        for first in range(0, len(halves[1]) // batch * batch, batch):
            for turn, order in enumerate(orders):
                self.turn = turn
                yield order[first : first + batch]

    def set_rate(self, step: int, epoch_steps: int) -> None:
        """Also the temperature and the price of entropy."""
        super().set_rate(step, epoch_steps)
        self.progress = min(1.0, step / (self.epochs * epoch_steps))
        self.network.temperature = max((1 - self.progress) ** 2, _COLDEST)

    def update(self, samples: Samples, batch: Tensor) -> None:
        """One step of the weights or, from the other half, of α."""
        if self.turn == 0:
            self.network.gates = self.network.draw().detach()
            super().update(samples, batch)
            return
        self.network.train()
        self.network.gates = self.network.draw()
        self.choice_gradients.clear()
        price = _ENTROPY * self.progress * entropy(self.network.alphas) / self.comm.size
        (self.loss(self.network, samples, batch) + price).backward()
        self.network.gates = self.network.gates.detach()
        self.choice_gradients.exchange()
        self.choice.step()
