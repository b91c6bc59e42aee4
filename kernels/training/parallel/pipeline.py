"""One stage of a pipeline over MPI ranks: what it computes, what it keeps, and what it sends to its neighbours."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kernels.training.parallel.schedules import Action

Loss = Callable[[Tensor, int], Tensor]


class Stage(ABC):
    """A part of the network and the micro-batches that wait in it for their way back."""

    @abstractmethod
    def forward(self, index: int, values: Tensor) -> Tensor:
        """Micro-batch ``index`` through this part; on the last stage its share of the loss."""

    @abstractmethod
    def backward(self, index: int, gradient: Tensor | None) -> Tensor | None:
        """Its way back, from the gradient of what left this part, to the gradient of what came in."""


class AccumulatingStage(Stage):
    """Adds up the parameters' gradients over all micro-batches; the weights stay as they are meanwhile.

    ``loss(outputs, index)`` ends the last stage. With ``recompute`` only inputs are kept, and the forward pass is
    done once more on the way back (Chen et al., arXiv 1604.06174).
    """

    def __init__(self, module: nn.Module, loss: Loss | None, recompute: bool = False) -> None:
        self.module = module
        self._loss = loss
        self._recompute = recompute
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def forward(self, index: int, values: Tensor) -> Tensor:
        """Keeps the graph."""
        outputs = checkpoint(self.module, values, use_reentrant=False) if self._recompute else self.module(values)
        result = self._loss(outputs, index) if self._loss else outputs
        self._kept[index] = values, result
        return result.detach()

    def backward(self, index: int, gradient: Tensor | None) -> Tensor | None:
        """Gives the graph back."""
        values, result = self._kept.pop(index)
        result.backward(gradient)
        return values.grad


class StashingStage(Stage):
    """Updates its weights after every micro-batch, each of which goes back through the weights it came through.

    Weight stashing (Narayanan et al., PipeDream, SOSP 2019, section 3.3): the graph of a micro-batch in flight holds
    the weights of its way forward while newer ones take their place. ``weights`` are the newest.
    """

    def __init__(self, module: nn.Module, loss: Loss | None, learning_rate: float) -> None:
        self.weights = {name: value.detach().requires_grad_() for name, value in module.named_parameters()}
        self._module = module
        self._loss = loss
        self._learning_rate = learning_rate
        self._kept: dict[int, tuple[Tensor, Tensor, dict[str, Tensor]]] = {}

    def forward(self, index: int, values: Tensor) -> Tensor:
        """With the newest weights, which are kept with the graph."""
        outputs = torch.func.functional_call(self._module, self.weights, (values,))
        result = self._loss(outputs, index) if self._loss else outputs
        self._kept[index] = values, result, self.weights
        return result.detach()

    def backward(self, index: int, gradient: Tensor | None) -> Tensor | None:
        """With the weights that were kept; the step they give is taken from the newest."""
        values, result, stashed = self._kept.pop(index)
        wanted = [*stashed.values(), *([values] if values.requires_grad else [])]
        found = torch.autograd.grad(result, wanted, gradient)
        self.weights = {
            name: (weight.detach() - self._learning_rate * change).requires_grad_()
            for (name, weight), change in zip(self.weights.items(), found[: len(stashed)], strict=True)
        }
        return found[-1] if values.requires_grad else None


class LocalStage(Stage):
    """Learns from a classifier of its own, ``head``, and passes no gradient on (Laskin et al., arXiv 2012.03837).

    The last stage ends in the network's own classifier and has no other.
    """

    def __init__(self, module: nn.Module, head: nn.Module | None, loss: Loss) -> None:
        self._module = module
        self._head = head
        self._loss = loss
        self._kept: dict[int, Tensor] = {}

    def forward(self, index: int, values: Tensor) -> Tensor:
        """What is passed on; on the last stage the loss."""
        outputs = self._module(values)
        self._kept[index] = self._loss(self._head(outputs) if self._head else outputs, index)
        return (outputs if self._head else self._kept[index]).detach()

    def backward(self, index: int, gradient: Tensor | None) -> None:
        """From this stage's own loss."""
        self._kept.pop(index).backward()


class Pipeline:
    """Runs a stage's actions among its neighbours in ``comm``, whose ranks are the stages.

    ``sizes`` are the micro-batches' samples; ``width`` numbers a sample pass between stages, float32. Where
    ``gradients`` do not travel (local learning) every stage starts its way back by itself. After `run`,
    ``actions_s`` is how long each action kept the stage busy, from when what it needs had come to when its result was
    on its way, of the ``run_s`` that all took, and ``sent_bytes`` what was sent.
    """

    def __init__(self, comm: Any, stage: Stage, sizes: list[int], width: int, gradients: bool = True) -> None:
        self.actions_s: list[float] = []
        self.run_s = 0.0
        self.sent_bytes = 0
        self._comm = comm
        self.stage = stage
        self._sizes = sizes
        self._width = width
        self._before = comm.rank - 1 if comm.rank > 0 else None
        self._after = comm.rank + 1 if comm.rank < comm.size - 1 else None
        self._gradients = gradients
        self._under_way: list[tuple[Any, Tensor]] = []

    def run(self, actions: list[Action], inputs: list[Tensor]) -> Tensor:
        """Take every micro-batch there and back; returns the sum of the losses, on the last stage."""
        start = time.perf_counter()
        self.actions_s = []
        self.sent_bytes = 0
        loss = torch.zeros(())
        for direction, index in actions:
            source = self._source(direction)
            if source is not None:
                # nothing is done here but to wait: receiving, below, is work
                self._comm.Probe(source)
            busy = time.perf_counter()
            arrived = None if source is None else self._receive(source, index)
            if direction == "forward":
                result = self._forward(index, inputs[index] if arrived is None else arrived)
                loss = loss + result if self._after is None else loss
            else:
                self._backward(index, arrived)
            self.actions_s.append(time.perf_counter() - busy)
        for request, _ in self._under_way:
            request.Wait()
        self._under_way.clear()
        self.run_s = time.perf_counter() - start
        return loss

    def _source(self, direction: str) -> int | None:
        """The rank that an action waits for, if it waits for one."""
        if direction == "forward":
            return self._before
        return self._after if self._gradients else None

    def _forward(self, index: int, values: Tensor) -> Tensor:
        values.requires_grad_(self._before is not None and self._gradients)
        result = self.stage.forward(index, values)
        if self._after is not None:
            self._send(result, self._after)
        return result

    def _backward(self, index: int, arrived: Tensor | None) -> None:
        gradient = self.stage.backward(index, arrived)
        if self._before is not None and gradient is not None:
            self._send(gradient, self._before)

    def _send(self, values: Tensor, rank: int) -> None:
        """Start sending; the next micro-batch does not wait for the neighbour to be ready for this one."""
        values = values.contiguous()
        self._under_way.append((self._comm.Isend(values.numpy(), rank), values))
        self.sent_bytes += values.nbytes

    def _receive(self, rank: int, index: int) -> Tensor:
        values = torch.empty(self._sizes[index], self._width)
        self._comm.Recv(values.numpy(), rank)
        return values
