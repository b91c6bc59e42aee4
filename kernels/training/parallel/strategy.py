"""What all strategies of kernel ``parallel_training`` share: the batch, the check, and what is told beside time."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.training.parallel.network import PIXELS, batch_loss, load_digits, make_layers

if TYPE_CHECKING:
    from kernels.training.parallel_training import ParallelTrainingParameters

# of 1797 digits the last ones are kept to be recognised
HELD_OUT = 360


class Strategy(Workload):
    """One step of stochastic gradient descent on a batch, with the network or the batch divided over the ranks.

    ``inputs`` [batch, 64] and ``labels`` [batch] are the whole batch, on every rank. Parameters go by their names in
    the whole network, `network.make_layers`.
    """

    parameters: ParallelTrainingParameters
    # along which axis the ranks' parts of a parameter follow one another, by the end of its name
    split_axes: dict[str, int] = {}  # noqa: RUF012

    def __init__(self, parameters: ParallelTrainingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.layers = make_layers(parameters.width, parameters.blocks, parameters.seed)
        self._digits = load_digits()
        self.inputs = torch.empty(parameters.batch, PIXELS)
        self.labels = torch.empty(parameters.batch, dtype=torch.int64)
        self.take_batch(0)

    @abstractmethod
    def own_weights(self) -> dict[str, Tensor]:
        """This rank's parameters."""

    @abstractmethod
    def own_gradients(self) -> dict[str, Tensor]:
        """The gradient of the batch's loss for this rank's parameters, as the last step found it."""

    def take_batch(self, number: int) -> None:
        """Make the digits from ``number`` × batch on the batch, in place, starting over at the end."""
        images, labels = self._digits
        rows = (number * self.parameters.batch + torch.arange(self.parameters.batch)) % (len(labels) - HELD_OUT)
        self.inputs.copy_(images[rows])
        self.labels.copy_(labels[rows])

    def descend(self, module: nn.Module) -> None:
        """The update: w ← w - rate · gradient."""
        with torch.no_grad():
            for name, gradient in own_gradients(module).items():
                module.get_parameter(name).sub_(gradient, alpha=self.parameters.learning_rate)

    def verify(self) -> Check:
        """Relative error, in the 2-norm, of the whole gradient of one more step against one process in float64.

        The step starts where training began: once a batch is learnt by heart its gradient is rounding alone.

        The tolerance is the project's demand on every synchronous strategy: equal to serial to 1e-5, or 168 unit
        roundoffs u. A sum of m terms in float32 is off by about √m u of its size (Higham and Mary, SIAM J. Sci. Comput.
        41(5), 2019, theorem 3.1), and so are the 2 L products that follow one another in L layers, whose errors add up
        as √(2 L): with up to a thousand terms and a dozen layers that is as much, and a lost micro-batch far more.
        """
        self.restart()
        weights = self.gather(self.own_weights())
        exact = self.reference_gradients({name: value.double() for name, value in weights.items()})
        self.step()
        found = self.gather(self.own_gradients())
        difference = torch.cat([(found[name] - exact[name]).flatten() for name in exact])
        size = torch.cat([value.flatten() for value in exact.values()])
        error = (torch.linalg.vector_norm(difference) / torch.linalg.vector_norm(size)).item()
        return Check(
            error=float(np.max(self.comm.allgather(error))),
            tolerance=1e-5,
            reference="the whole batch through the whole network in one process, float64",
        )

    def reference_gradients(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The gradient of the whole batch's loss at these weights, all in float64."""
        weights = {name: value.requires_grad_() for name, value in weights.items()}
        outputs = torch.func.functional_call(self.layers, weights, (self.inputs.double(),))
        loss = batch_loss(outputs, self.labels, self.parameters.batch)
        return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))

    def restart(self) -> None:
        """Give the network the weights that the seed draws again."""
        start = make_layers(self.parameters.width, self.parameters.blocks, self.parameters.seed)
        drawn = {name: value.detach() for name, value in start.named_parameters()}
        for name, value in self.own_weights().items():
            axis, whole = self._axis(name), drawn.get(name)
            if whole is not None and axis is not None:
                share = divide(whole.shape[axis], self.comm.size, self.comm.rank)
                whole = whole.narrow(axis, share.start, len(share))
            if whole is not None:
                value.data.copy_(whole)

    def gather(self, own: dict[str, Tensor]) -> dict[str, Tensor]:
        """The whole network's parameters, or their gradients, from all ranks' parts; detached copies."""
        parts = self.comm.allgather({name: value.detach().numpy() for name, value in own.items()})
        whole = {}
        for name in dict.fromkeys(name for part in parts for name in part):
            found = [torch.from_numpy(part[name]) for part in parts if name in part]
            axis = self._axis(name)
            whole[name] = found[0].clone() if axis is None else torch.cat(found, dim=axis)
        return whole

    def _axis(self, name: str) -> int | None:
        """Along which a parameter is divided over the ranks, if it is."""
        return next((axis for end, axis in self.split_axes.items() if name.endswith(end)), None)

    def parameter_bytes(self) -> int:
        """Bytes of this rank's parameters."""
        return sum(value.nbytes for value in self.own_weights().values())

    def count_work(self, samples: int, sent_bytes: float, messages: int, passes: int = 3) -> Work:
        """The work of this rank's parameters on ``samples`` samples; see `work` for what goes where.

        A linear layer costs 2 F_in F_out operations a sample, in each of forward and two backward ``passes``
        (Goodfellow, Bengio and Courville, Deep Learning, section 6.5), the first layer one fewer. A parameter is read
        twice, its gradient written, and the update reads two words and writes one; what a layer puts out is written
        and read twice.
        """
        shapes = {name: value.shape for name, value in self.own_weights().items() if value.dim() == 2}
        flops = sum(2 * passes * shape.numel() for shape in shapes.values())
        flops -= 2 * shapes["0.weight"].numel() if "0.weight" in shapes else 0
        activations = 4 * samples * sum(shape[0] for shape in shapes.values())
        return Work(
            items=self.parameters.batch,
            item="sample",
            flops=flops * samples,
            memory_bytes=6 * self.parameter_bytes() + 3 * activations,
            working_set_bytes=2 * self.parameter_bytes() + activations,
            sent_bytes=sent_bytes,
            messages=messages,
        )

    def figures(self, step_s: float) -> list[Figure]:
        """Bytes that all ranks send, and that the one with the most keeps.

        Also the accuracy on digits never seen, after a training from the start, if it is asked for.
        """
        sent = self.comm.allreduce(self.sent_bytes())
        figures = [Figure(name="sent_bytes", value=sent, unit="B", better="lower")]
        if (kept := self.peak_bytes()) is not None:
            most = float(np.max(self.comm.allgather(kept)))
            figures.append(Figure(name="peak_bytes", value=most, unit="B", better="lower"))
        if self.parameters.accuracy_steps:
            figures += self.quality()
        return figures

    def quality(self) -> list[Figure]:
        """The share of held-out digits that are recognised after ``accuracy_steps`` steps from the start."""
        return [
            Figure(name="accuracy", value=train(type(self)(self.parameters, self.comm, self.device)), better="higher")
        ]

    def sent_bytes(self) -> float:
        """Bytes that this rank sends in a step; a sum over ranks counts as `optimal_traffic`."""
        return self.work().sent_bytes

    def peak_bytes(self) -> int | None:
        """Bytes of parameters, gradients and kept activations on this rank, counted, where the strategy is ours."""
        return None


def train(strategy: Strategy) -> float:
    """Take and close a strategy that has not stepped; the share of held-out digits it has learnt to recognise."""
    with contextlib.closing(strategy):
        for number in range(strategy.parameters.accuracy_steps):
            strategy.take_batch(number)
            strategy.step()
        images, labels = (values[-HELD_OUT:] for values in load_digits())
        weights = strategy.gather(strategy.own_weights())
    network = {name: weights[name] for name, _ in strategy.layers.named_parameters()}
    outputs = torch.func.functional_call(strategy.layers, network, (images,))
    return (outputs.argmax(dim=1) == labels).double().mean().item()


def own_gradients(module: nn.Module) -> dict[str, Tensor]:
    """The gradients that a backward pass left in a module's parameters, by their names in it."""
    return {name: value.grad for name, value in module.named_parameters() if value.grad is not None}


def saved_bytes(module: nn.Module, inputs: Tensor) -> int:
    """Bytes that a forward pass keeps for its way back, the module's own parameters not counted."""
    known = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, int] = {}

    def keep(values: Tensor) -> Tensor:
        storage = values.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        result = module(inputs)
    # the graph has to live until here, lest its memory be given out twice
    del result
    return sum(kept.values())
