"""The workloads of kernel ``mtl_step``: a data-parallel training step, run eagerly or compiled."""

from __future__ import annotations

import contextlib
import math
import socket
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kernels.api import Check, Figure, Work, Workload, divide, tell
from kernels.communication.allreduce import optimal_traffic
from kernels.communication.process_group import local_device
from kernels.data.dataset import open_dataset
from kernels.material.tensile import FEATURES
from kernels.training.data_parallel import GradientSum, find_dataset, some_first
from kernels.training.network import (
    HEADS,
    MultiTaskNetwork,
    count_activation_bytes,
    count_flops,
    draw_keep,
    weighted_loss,
)
from kernels.training.sides import TOLERANCE, gradient_error, taking_sides

if TYPE_CHECKING:
    from kernels.training.mtl_step import MtlStepParameters


def batch_loss(network: MultiTaskNetwork, strains: Tensor, targets: Tensor, keep: Tensor, samples: int) -> Tensor:
    """This rank's part of the loss of a batch of ``samples``, a scalar: what a backend compiles or not."""
    return weighted_loss(network(strains, keep), targets, network.loss_weights, samples)


class MtlStep(Workload):
    """What the backends share; a backend says how `batch_loss` is run.

    ``strains`` [N, 1080] and ``targets`` [N, 8] are this rank's part of the batch, float32, resident.
    """

    parameters: MtlStepParameters

    def __init__(self, parameters: MtlStepParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.place = local_device(comm, device)
        self.strains, self.targets = (part.to(self.place) for part in self._read_share())
        self.network = self._make_network()
        self.keep = torch.ones(len(HEADS), len(self.targets), self.network.hidden, device=self.place)
        self.steps = 0
        self.loss = torch.tensor(float("nan"))
        self._generator = torch.Generator(self.place)
        self._generator.manual_seed(int(np.random.SeedSequence([parameters.seed, comm.rank]).generate_state(1)[0]))
        self._batch_loss = self.build()
        self.optimizer = torch.optim.Adam(self.network.parameters(), parameters.learning_rate, fused=True)
        self.gradients = GradientSum(self.network.parameters(), comm, self.place)

    @abstractmethod
    def build(self) -> Callable[..., Tensor]:
        """`batch_loss` as this backend runs it, ready to be timed."""

    def step(self) -> None:
        """Draw dropout, forward, backward, exchange, update."""
        self.compute_gradients()
        self.optimizer.step()
        self.steps += 1

    def compute_gradients(self) -> None:
        """Leave the loss's gradient over the whole batch in ``gradients``, the same on every rank."""
        draw_keep(self.keep, self._generator)
        self.gradients.clear()
        loss = self._batch_loss(self.network, self.strains, self.targets, self.keep, self.parameters.batch)
        loss.backward()
        self.loss = loss.detach()
        self.gradients.exchange()

    def synchronize(self) -> None:
        """Wait for the GPU, if that is where the step runs."""
        if self.place.type == "cuda":
            torch.cuda.synchronize(self.place)

    def verify(self) -> Check:
        """Errors of one more step from where the last one left the network; the largest over all ranks counts.

        The gradient is compared with that of the same network, dropout, batch statistics and sides of ReLUs and pools
        in float64, run eagerly and summed over ranks in float64 (`sides.gradient_error`); the update, in the 2-norm,
        with Adam's written out in float64 (Kingma and Ba, ICLR 2015, algorithm 1) from the gradient that the step
        found. Storing weights w in float32 is wrong by u |w| / |change| of a change at most, u = 2⁻²⁴, which is
        allowed beside the `tolerance`.
        """
        reference = self._make_network().double()
        reference.load_state_dict(self.network.state_dict())
        before, first, second = self._parameters(), self._moment("exp_avg"), self._moment("exp_avg_sq")
        with self.telling_sides() as sides:
            self.step()
        found = self.gradients.flat
        update = _adam_update(found.double(), first, second, self.steps, self.optimizer.param_groups[0])
        errors = (
            gradient_error(found, sides, reference, lambda: self._reference_gradient(reference), self.comm),
            (torch.linalg.vector_norm(self._parameters() - before - update) / update.norm()).item(),
        )
        return Check(
            error=float(np.max(self.comm.allgather(np.max(errors)))),
            tolerance=self.tolerance() + 2.0**-24 * (before.norm() / update.norm()).item(),
            reference="the same step in float64, eager, Adam written out",
        )

    @contextlib.contextmanager
    def telling_sides(self) -> Iterator[list[Tensor] | None]:
        """The sides that ReLUs and pools take in a step in this context, in the order of the layers; None: unknown."""
        with taking_sides(self.network) as sides:
            yield sides

    def tolerance(self) -> float:
        """Of the gradient."""
        return TOLERANCE[self.place.type]

    def figures(self, step_s: float) -> list[Figure]:
        """The training loss of the last step over the whole batch, and how many steps led to it."""
        return [
            Figure(name="loss", value=self.comm.allreduce(self.loss.item()), better="lower"),
            Figure(name="steps", value=self.steps),
        ]

    def work(self) -> Work:
        """Of the rank with the largest part of the batch.

        Operations as `network.count_flops` counts them. Memory, in float32 words: a parameter is read forward and
        backward, its gradient written, and Adam reads four words for it and writes three (10 in all); inputs are read
        twice; what a convolution or linear layer puts out is written once and read once, all between them fused. The
        exchange is `optimal_traffic` of the gradients.
        """
        samples = len(divide(self.parameters.batch, self.comm.size, 0))
        parameter_bytes = self.gradients.flat.nbytes
        input_bytes = self.strains[0].nbytes * samples
        activation_bytes = count_activation_bytes(self.network, samples)
        sent_bytes, messages = optimal_traffic(parameter_bytes, self.comm.size)
        return Work(
            items=self.parameters.batch,
            item="sample",
            flops=count_flops(self.network, samples),
            memory_bytes=10 * parameter_bytes + 2 * input_bytes + 2 * activation_bytes,
            # weights, gradients and Adam's two moments, and what waits for the way back
            working_set_bytes=4 * parameter_bytes + input_bytes + activation_bytes,
            sent_bytes=sent_bytes,
            messages=messages,
        )

    def close(self) -> None:
        """End the process group, if there is one."""
        self.gradients.close()

    def _read_share(self) -> tuple[Tensor, Tensor]:
        """This rank's part of the batch: standardised strains [N, 1080] and labels scaled to [0, 1], [N, 8]."""
        parameters = self.parameters
        dataset = open_dataset(find_dataset(parameters.records, parameters.shards, parameters.seed, self.comm))
        share = divide(self.parameters.batch, self.comm.size, self.comm.rank)
        offset, scale = dataset.normalisation()
        values = (np.concatenate(dataset.read(share.start, len(share)), axis=1) - offset) * scale
        strains, targets = torch.from_numpy(values.astype(np.float32)).split([FEATURES, len(HEADS)], dim=1)
        return strains.contiguous(), targets.contiguous()

    def _make_network(self) -> MultiTaskNetwork:
        """The network with the weights that the seed draws, the same on every rank."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.parameters.seed)
            return MultiTaskNetwork(self.parameters.width).to(self.place)

    def _reference_gradient(self, reference: MultiTaskNetwork) -> Tensor:
        """This rank's part of the gradient of the batch's loss in float64, with the dropout of the last step."""
        loss = batch_loss(
            reference, self.strains.double(), self.targets.double(), self.keep.double(), self.parameters.batch
        )
        return _flatten(torch.autograd.grad(loss, list(reference.parameters())))

    def _parameters(self) -> Tensor:
        """All parameters in float64."""
        return _flatten(self.network.parameters())

    def _moment(self, name: str) -> Tensor:
        """One of Adam's two moving averages for all parameters, in float64; zeros before the first step."""
        states = ((self.optimizer.state[parameter], parameter) for parameter in self.network.parameters())
        return _flatten(state.get(name, torch.zeros_like(parameter)) for state, parameter in states)


class EagerMtlStep(MtlStep):
    """PyTorch's own kernels, one after the other."""

    def build(self) -> Callable[..., Tensor]:
        """Nothing to prepare."""
        return batch_loss


class FusedMtlStep(MtlStep):
    """Torch's convolutions and matrix products, and what lies between them in one pass: `normalisation.run_fused`."""

    def build(self) -> Callable[..., Tensor]:
        """Threads for what is fused, as many as torch's."""
        # not at the top: the other backends need no compiler for loops
        from kernels.training.normalisation import run_fused

        self._threads = ThreadPoolExecutor(max(1, torch.get_num_threads() - 1))
        self._told: list[Tensor] | None = None

        def loss(network: MultiTaskNetwork, strains: Tensor, targets: Tensor, keep: Tensor, samples: int) -> Tensor:
            outputs = network(
                strains, keep, lambda layers, values: run_fused(layers, values, self._threads, self._told)
            )
            return weighted_loss(outputs, targets, network.loss_weights, samples)

        return loss

    @contextlib.contextmanager
    def telling_sides(self) -> Iterator[list[Tensor] | None]:
        """Layers that are fused are not called, and tell in between those that are."""
        with taking_sides(self.network) as self._told:
            yield self._told
        self._told = None

    def close(self) -> None:
        """Also end the threads."""
        super().close()
        self._threads.shutdown()


class CompiledMtlStep(MtlStep):
    """Forward and backward fused by torch.compile, for the shapes and the threads of this case alone."""

    def build(self) -> Callable[..., Tensor]:
        """Compile forward and backward; one rank of each host fills the cache on disk before the others."""
        # the number of threads is compiled in, so it has to be part of the cache's key in every version of torch
        options: dict[str, Any] = {"cpp.threads": torch.get_num_threads()} if self.place.type == "cpu" else {}
        compiled = torch.compile(batch_loss, fullgraph=True, dynamic=False, options=options)

        def run_once() -> None:
            tell("compiling with torch.compile, unless kept from before")
            compiled(self.network, self.strains, self.targets, self.keep, self.parameters.batch).backward()

        hosts = self.comm.allgather(socket.gethostname())
        some_first(self.comm, hosts.index(hosts[self.comm.rank]) == self.comm.rank, run_once)
        return compiled

    @contextlib.contextmanager
    def telling_sides(self) -> Iterator[list[Tensor] | None]:
        """Compiled code keeps them to itself."""
        yield None

    def tolerance(self) -> float:
        """4 √u for unit roundoff u: rounding puts a share of about u of ReLUs and pools on the other side."""
        return 4 * math.sqrt({"cpu": 2.0**-24, "cuda": 2.0**-11}[self.place.type])

    def close(self) -> None:
        """Also forget the compiled code, lest many cases in one process reach torch's limit on recompilations."""
        super().close()
        torch.compiler.reset()


def _flatten(parts: Iterable[Tensor]) -> Tensor:
    """All elements, one after the other, float64."""
    return torch.cat([part.detach().flatten() for part in parts]).double()


def _adam_update(gradient: Tensor, first: Tensor, second: Tensor, step: int, group: dict[str, Any]) -> Tensor:
    """What Adam adds to the parameters in its ``step``-th step, from the moving averages before it; all float64."""
    beta1, beta2 = group["betas"]
    first = beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * gradient**2
    return -group["lr"] * (first / (1 - beta1**step)) / ((second / (1 - beta2**step)).sqrt() + group["eps"])
