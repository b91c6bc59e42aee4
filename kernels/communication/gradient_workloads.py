"""The workloads of kernel ``gradient_exchange``."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.communication.buckets import Buckets, clip, norm
from kernels.communication.gradient_exchange import GradientExchangeParameters
from kernels.communication.process_group import ProcessGroup, Transport, local_device

_TURNS = 10


class GradientExchange(Workload):
    """What the backends share: a network, this rank's samples, and the averaged gradient in ``buckets.flat``.

    A backend says how a bucket's sum is started and waited for.
    """

    parameters: GradientExchangeParameters

    def __init__(self, parameters: GradientExchangeParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.place = local_device(comm, device)
        self._network = _make_network(parameters).to(self.place)
        self._samples, self._targets = (part.to(self.place) for part in self._draw_share(comm.rank))
        self.buckets = Buckets(list(self._network.parameters()), parameters.bucket_bytes, self._send_full)
        self._early = parameters.overlap and parameters.clipping != "before"
        self._silent = comm.size == 1

    @abstractmethod
    def start(self, values: Tensor) -> None:
        """Begin to replace ``values`` on every rank by their sum over the ranks."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for all sums that have been started."""

    def progress(self) -> None:
        """Called when a bucket is full: for libraries that move on only when they are asked to."""

    def step(self) -> None:
        """Forward, backward, and the exchange as far as it is not done by then."""
        self.buckets.clear()
        _loss(self._network, self._samples, self._targets).backward()
        if self.parameters.clipping == "before":
            clip(self.buckets.flat)
        if not self._early:
            for part in self.buckets.parts:
                self._send(part)
        self.finish()
        self.buckets.flat /= self.comm.size
        if self.parameters.clipping == "after":
            clip(self.buckets.flat)

    def synchronize(self) -> None:
        """Wait for the GPU, if that is where the step runs."""
        if self.place.type == "cuda":
            torch.cuda.synchronize(self.place)

    def verify(self) -> Check:
        """The error of the averaged gradient over its norm, against all ranks' shares one after the other in float64.

        The tolerance is the project's demand on every synchronous strategy of training: equal to serial to 1e-5, 168
        unit roundoffs u. A sum of m terms in float32 is off by about √m u of its size (Higham and Mary, SIAM J. Sci.
        Comput. 41(5), 2019, theorem 3.1), and so are the 2 L products of L layers, whose errors add up as √(2 L).
        """
        reference = self._reference()
        error = (self.buckets.flat.cpu().double() - reference).norm() / reference.norm()
        return Check(
            error=float(np.max(self.comm.allgather(float(error)))),
            tolerance=1e-5,
            reference="the same samples on one rank in float64",
        )

    def work(self) -> Work:
        """Of one rank: 2 n w² operations a layer forward, as many for the gradient of its weights and, save in the
        first layer, of its inputs, for n samples and width w. Weights are read twice; gradients are zeroed, added to
        (read, written), averaged (read, written). The exchange is `optimal_traffic` of all gradients.
        """
        parameters = self.parameters
        samples = len(divide(parameters.batch, self.comm.size, 0))
        gradient_bytes = self.buckets.flat.nbytes
        sent_bytes, messages = optimal_traffic(gradient_bytes, self.comm.size)
        return Work(
            items=parameters.batch,
            item="sample",
            flops=2 * samples * parameters.width**2 * (3 * parameters.layers - 1),
            memory_bytes=7 * gradient_bytes,
            working_set_bytes=2 * gradient_bytes,
            sent_bytes=sent_bytes,
            messages=messages,
        )

    def figures(self, step_s: float) -> list[Figure]:
        """The exposed communication time: what a step takes longer than the same step, clipping included, unsent.

        Steps of both kinds are timed in turns, and the median of their differences is told; it is below zero where
        sending costs less than steps scatter.
        """
        sent_s, silent_s = self._time_in_turns()
        exposed_s = float(np.median(sent_s - silent_s))
        return [
            Figure(name="exposed_communication", value=exposed_s, unit="s", better="lower"),
            Figure(name="step_without_communication", value=float(np.median(silent_s)), unit="s", better="lower"),
            Figure(name="buckets", value=len(self.buckets.parts)),
            Figure(name="gradient_norm", value=float(norm(self.buckets.flat))),
        ]

    def _send_full(self, bucket: int) -> None:
        """What happens when the backward pass has filled a bucket."""
        if self.parameters.clipping == "bucket":
            clip(self.buckets.parts[bucket], len(self.buckets.parts))
        if self._early:
            self._send(self.buckets.parts[bucket])
            self.progress()

    def _send(self, values: Tensor) -> None:
        if not self._silent:
            self.start(values)

    def _time_in_turns(self) -> np.ndarray:
        """Seconds of steps that send and of steps that do not, of the slowest rank, [2, turns]; the answer stays."""
        answer, alone = self.buckets.flat.clone(), self._silent
        times_s = np.empty((2, _TURNS))
        for turn in range(_TURNS):
            # who goes first changes, lest one kind always follow the other
            for kind in (0, 1) if turn % 2 else (1, 0):
                self._silent = alone or kind == 1
                self.comm.Barrier()
                start_s = time.perf_counter()
                self.step()
                self.synchronize()
                times_s[kind, turn] = max(self.comm.allgather(time.perf_counter() - start_s))
        self._silent = alone
        self.buckets.flat.copy_(answer)
        return times_s

    def _draw_share(self, rank: int) -> tuple[Tensor, Tensor]:
        """A rank's samples and targets, standard normal float32 [samples, width] both."""
        count = len(divide(self.parameters.batch, self.comm.size, rank))
        drawn = np.random.default_rng([self.parameters.seed, rank]).standard_normal(
            (2, count, self.parameters.width), np.float32
        )
        return torch.from_numpy(drawn[0]), torch.from_numpy(drawn[1])

    def _reference(self) -> Tensor:
        """The averaged gradient in float64, in the order of the buckets."""
        network = _make_network(self.parameters).double()
        total = torch.zeros(self.buckets.flat.numel(), dtype=torch.float64)
        for rank in range(self.comm.size):
            samples, targets = (part.double() for part in self._draw_share(rank))
            gradients = torch.autograd.grad(_loss(network, samples, targets), list(network.parameters()))
            own = torch.cat([gradient.flatten() for gradient in reversed(gradients)])
            total += self._clip_own(own) / self.comm.size
        return total / max(1.0, float(total.norm())) if self.parameters.clipping == "after" else total

    def _clip_own(self, own: Tensor) -> Tensor:
        """A rank's gradient as it enters the sum, by the definitions."""
        if self.parameters.clipping == "before":
            return own / max(1.0, float(own.norm()))
        if self.parameters.clipping == "bucket":
            parts = own.split([part.numel() for part in self.buckets.parts])
            return torch.cat([part / max(1.0, float(part.norm()) * len(parts) ** 0.5) for part in parts])
        return own


class MpiExchange(GradientExchange):
    """MPI_Iallreduce in place."""

    def __init__(self, parameters: GradientExchangeParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._requests: list[Any] = []

    def start(self, values: Tensor) -> None:
        """Begin one sum."""
        from mpi4py import MPI

        self._requests.append(self.comm.Iallreduce(MPI.IN_PLACE, values.numpy()))

    def progress(self) -> None:
        """Have MPI look after what has come."""
        from mpi4py import MPI

        MPI.Request.Testall(self._requests)

    def finish(self) -> None:
        """Wait for all."""
        from mpi4py import MPI

        MPI.Request.Waitall(self._requests)
        self._requests.clear()


class TorchExchange(GradientExchange):
    """torch.distributed's asynchronous all_reduce; subclasses name the transport."""

    transport: Transport

    def __init__(self, parameters: GradientExchangeParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self._group = ProcessGroup(comm, self.transport, self.place)
        self._sums: list[Any] = []

    def start(self, values: Tensor) -> None:
        """Begin one sum."""
        self._sums.append(self._group.start_sum(values))

    def finish(self) -> None:
        """Wait for all; on a GPU, have what follows wait."""
        for each in self._sums:
            each.wait()
        self._sums.clear()

    def close(self) -> None:
        """End the process group."""
        self._group.close()


class GlooExchange(TorchExchange):
    """Gloo's threads send while the main thread computes."""

    transport = "gloo"


class NcclExchange(TorchExchange):
    """NCCL sends from the GPUs' memory."""

    transport = "nccl"


def _make_network(parameters: GradientExchangeParameters) -> torch.nn.Sequential:
    """Layers of w to w outputs and tanh, the same on every rank, float32 on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(parameters.seed)
        layers = [torch.nn.Linear(parameters.width, parameters.width, bias=False) for _ in range(parameters.layers)]
        for layer in layers:
            # keeps the size of activations and gradients through all layers, so that there is something to clip
            torch.nn.init.normal_(layer.weight, std=1.5 / parameters.width**0.5)
    return torch.nn.Sequential(*(module for layer in layers for module in (layer, torch.nn.Tanh())))


def _loss(network: torch.nn.Module, samples: Tensor, targets: Tensor) -> Tensor:
    """Half the squared distance to the targets, the mean over the samples."""
    return (network(samples) - targets).square().sum() / (2 * len(samples))
