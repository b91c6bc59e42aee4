"""A residual network with eight layers on small grey images, and the data-parallel step that trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.communication.horovod_group import HorovodGroup
from kernels.communication.process_group import ProcessGroup
from kernels.training.data_parallel import GradientSum
from kernels.training.sides import TOLERANCE, gradient_error, taking_sides

if TYPE_CHECKING:
    from kernels.training.horovod_resnet import HorovodResnetParameters

_CLASSES = 10
_STAGES = 3


class ResidualNetwork(nn.Module):
    """[N, 1, H, W] to [N, 10]: a convolution, three blocks of two that halve the image twice, a linear layer.

    He et al., CVPR 2016, section 4.2 with n = 1, and a projection where a block changes its shape.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(_STAGES)]
        self.first = nn.Sequential(_convolution(1, width), nn.ReLU())
        blocks = [_Block(widths[max(stage - 1, 0)], widths[stage], min(stage, 1) + 1) for stage in range(_STAGES)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(widths[-1], _CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.last(self.blocks(self.first(images)).mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_convolution(inputs, outputs, stride), nn.ReLU(), _convolution(outputs, outputs))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, stride, kernel=1)
        self.relu = nn.ReLU()

    def forward(self, values: Tensor) -> Tensor:
        return self.relu(self.inner(values) + self.shortcut(values))


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """A convolution and its batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def count_products(network: ResidualNetwork, image: int) -> tuple[int, int]:
    """Multiply-adds of all layers forward for an image of ``image``² pixels, and of the first convolution alone."""
    found: list[int] = []

    def count(layer: nn.Module, inputs: Any, outputs: Tensor) -> None:
        places = outputs[0, 0].numel() if outputs.dim() == 4 else 1
        found.append(layer.weight.numel() * places)  # type: ignore[operator]

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, image, image))
    network.train()
    for hook in hooks:
        hook.remove()
    return sum(found), found[0]


class ResnetStep(Workload):
    """Forward, backward, sum of the gradients by MPI, stochastic gradient descent with momentum.

    ``images`` [N, 1, H, W] and ``labels`` [N] are this rank's part of the batch. Batch normalisation uses its
    statistics alone, as data parallelism does.
    """

    parameters: HorovodResnetParameters

    def __init__(self, parameters: HorovodResnetParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.share = divide(parameters.batch, comm.size, comm.rank)
        self.images, self.labels = _digits(parameters.image, self.share)
        self.network = self._make_network()
        self.optimizer: Any = torch.optim.SGD(self.network.parameters(), parameters.learning_rate, momentum=0.9)
        self.loss = torch.tensor(float("nan"))
        self.join()

    def join(self) -> None:
        """Get ready to exchange gradients."""
        self.gradients = GradientSum(self.network.parameters(), self.comm, torch.device("cpu"))

    def step(self) -> None:
        """One step."""
        self.compute_gradients()
        self.optimizer.step()

    def compute_gradients(self) -> None:
        """Leave the gradient of the whole batch's loss in the parameters, the same on every rank."""
        self.gradients.clear()
        self.backward(self.network)
        self.gradients.exchange()

    def batch_loss(self, network: nn.Module, dtype: torch.dtype = torch.float32) -> Tensor:
        """This rank's share of the batch's mean cross-entropy, a scalar."""
        logits = network(self.images.to(dtype))
        return functional.cross_entropy(logits, self.labels, reduction="sum") / self.parameters.batch

    def backward(self, network: nn.Module, factor: int = 1) -> None:
        """Differentiate ``factor`` times this rank's share of the loss, which is kept."""
        loss = self.batch_loss(network)
        (factor * loss).backward()
        self.loss = loss.detach()

    def verify(self) -> Check:
        """The error of one more step's gradient, as `sides.gradient_error` has it, of any rank."""
        reference = self._make_network().double()
        reference.load_state_dict(self.network.state_dict())
        with taking_sides(self.network) as sides:
            self.compute_gradients()
        found = torch.cat([value.grad.flatten() for value in self.network.parameters() if value.grad is not None])

        def gradient() -> Tensor:
            parts = torch.autograd.grad(self.batch_loss(reference, torch.float64), list(reference.parameters()))
            return torch.cat([part.flatten() for part in parts])

        return Check(
            error=float(np.max(self.comm.allgather(gradient_error(found, sides, reference, gradient, self.comm)))),
            tolerance=TOLERANCE["cpu"],
            reference="the same gradient in float64, summed in float64",
        )

    def figures(self, step_s: float) -> list[Figure]:
        """Images a second, which the talk's table counts in, and the training loss."""
        return [
            Figure(name="images_per_s", value=self.parameters.batch / step_s, unit="1/s", better="higher"),
            Figure(name="loss", value=self.comm.allreduce(self.loss.item()), better="lower"),
        ]

    def work(self) -> Work:
        """6 operations a multiply-add and image, 2 fewer in the first layer, whose input wants no gradient.

        Goodfellow, Bengio and Courville, Deep Learning, section 6.5. A weight is read twice, its gradient written, and
        the update reads three words and writes two; the exchange is `optimal_traffic` of the gradients.
        """
        products, first = count_products(self._make_network(), self.parameters.image)
        parameter_bytes = sum(value.nbytes for value in self.network.parameters())
        sent_bytes, messages = optimal_traffic(parameter_bytes, self.comm.size)
        samples = len(divide(self.parameters.batch, self.comm.size, 0))
        return Work(
            items=self.parameters.batch,
            item="image",
            flops=(6 * products - 2 * first) * samples,
            memory_bytes=8 * parameter_bytes,
            working_set_bytes=3 * parameter_bytes,
            sent_bytes=sent_bytes,
            messages=messages,
        )

    def _make_network(self) -> ResidualNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.parameters.seed)
            return ResidualNetwork(self.parameters.width)


class TorchResnetStep(ResnetStep):
    """The exchange is DistributedDataParallel's over Gloo, in buckets while backward goes on."""

    def join(self) -> None:
        """Wrap the network."""
        self._group = ProcessGroup(self.comm, "gloo")
        self._wrapped = nn.parallel.DistributedDataParallel(self.network)

    def compute_gradients(self) -> None:
        """The wrapper takes the mean over the ranks, and the shares of the loss want the sum."""
        self.optimizer.zero_grad()
        self.backward(self._wrapped, self.comm.size)

    def close(self) -> None:
        """End the process group."""
        self._group.close()


class HorovodResnetStep(ResnetStep):
    """The exchange is Horovod's, of each gradient as soon as backward has it."""

    def join(self) -> None:
        """Wrap the optimiser."""
        self._group = HorovodGroup(self.comm)
        horovod = self._group.horovod
        self.optimizer = horovod.DistributedOptimizer(
            self.optimizer, named_parameters=self.network.named_parameters(), op=horovod.Sum
        )

    def compute_gradients(self) -> None:
        """Exchanged by the time that this returns."""
        self.optimizer.zero_grad()
        self.backward(self.network)
        self.optimizer.synchronize()

    def step(self) -> None:
        """The gradients are exchanged already."""
        self.compute_gradients()
        with self.optimizer.skip_synchronize():
            self.optimizer.step()

    def figures(self, step_s: float) -> list[Figure]:
        """Also Horovod's cycle."""
        return [*super().figures(step_s), self._group.figure()]

    def close(self) -> None:
        """End Horovod's thread."""
        self._group.close()


def _digits(image: int, share: range) -> tuple[Tensor, Tensor]:
    """scikit-learn's digits, enlarged to ``image``² pixels and standardised, starting over at the end."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rows = np.arange(share.start, share.stop) % len(labels)
    small = torch.from_numpy(((images - images.mean()) / images.std())[rows].astype(np.float32))
    large = functional.interpolate(small.view(-1, 1, 8, 8), size=(image, image), mode="bilinear")
    return large.contiguous(), torch.from_numpy(labels[rows].astype(np.int64))
