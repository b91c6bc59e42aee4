"""The workloads of kernel ``load_balancing``: a training step on sequences that the ranks share out in three ways."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.training.balancing import assignment
from kernels.training.balancing.encoder import Encoder, count_flops, masked_loss
from kernels.training.balancing.text import draw_masked, draw_sequence
from kernels.training.data_parallel import GradientSum
from kernels.training.lamb import Lamb

if TYPE_CHECKING:
    from kernels.training.load_balancing import LoadBalancingParameters


class Shuffled(Workload):
    """Every rank has a part of the sequences and takes them at random.

    ``drawn`` [ranks][batches, local batch] are the sequences' numbers that the ranks draw, known to all, as are the
    ``lengths`` [sequences].
    """

    parameters: LoadBalancingParameters

    def __init__(self, parameters: LoadBalancingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        sequences = parameters.batch * parameters.batches
        rng = np.random.default_rng([parameters.seed, 3])
        self.lengths = assignment.draw_lengths(sequences, parameters.median_tokens, parameters.spread, rng)
        self.drawn = [self._draw_batches(divide(sequences, comm.size, rank)) for rank in range(comm.size)]
        self._sequences = {number: self._draw(number) for number in self.drawn[comm.rank].flat}
        self.encoder = self._make_encoder()
        self.gradients = GradientSum(self.encoder.parameters(), comm, torch.device("cpu"))
        kind = {"adam": torch.optim.Adam, "lamb": Lamb}[parameters.optimizer]
        self.optimizer = kind(self.encoder.parameters(), lr=parameters.learning_rate)
        self.steps = 0
        self.loss = torch.tensor(float("nan"))

    def arrange(self, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """In which order a rank takes its own sequences, of these ``lengths``."""
        return assignment.shuffled(lengths, rng)

    def trained_on(self, batch: int) -> list[np.ndarray]:
        """Which sequences each rank trains on in a batch."""
        return [numbers[batch] for numbers in self.drawn]

    def fetch(self, batch: int) -> tuple[Tensor, Tensor]:
        """This rank's tokens of a batch, int64 [T], and which are to be guessed, bool [T]."""
        return _unpacked(np.concatenate([self._sequences[number] for number in self.drawn[self.comm.rank][batch]]))

    def step(self) -> None:
        """Take the next batch, forward, backward, sum over the ranks, update."""
        self.compute_gradients(self.steps % self.parameters.batches)
        self.optimizer.step()
        self.steps += 1

    def compute_gradients(self, batch: int) -> None:
        """Leave the gradient of a batch's loss in ``gradients``, the same on every rank."""
        tokens, masked = self.fetch(batch)
        lengths = self.lengths[self.trained_on(batch)[self.comm.rank]].tolist()
        self.gradients.clear()
        loss = masked_loss(self.encoder, tokens, lengths, masked, self._count_masked(batch))
        loss.backward()
        self.loss = loss.detach()
        self.gradients.exchange()

    def verify(self) -> Check:
        """Relative error, in the 2-norm, of a batch's gradient against float64, from sequences drawn anew.

        Every rank does the sequences that it first had, so that one lost, doubled or torn on the way to another shows.
        """
        batch = self.steps % self.parameters.batches
        reference = self._make_encoder().double()
        reference.load_state_dict(self.encoder.state_dict())
        numbers = self.drawn[self.comm.rank][batch]
        tokens, masked = _unpacked(np.concatenate([self._draw(number) for number in numbers]))
        loss = masked_loss(reference, tokens, self.lengths[numbers].tolist(), masked, self._count_masked(batch))
        parts = torch.autograd.grad(loss, list(reference.parameters()))
        part = torch.cat([value.flatten() for value in parts]).numpy()
        exact = np.empty_like(part)
        self.comm.Allreduce(part, exact)
        self.compute_gradients(batch)
        error = np.linalg.norm(self.gradients.flat.double().numpy() - exact) / np.linalg.norm(exact)
        return Check(
            error=float(np.max(self.comm.allgather(error))),
            tolerance=1e-5,
            reference="the gradient of the sequences as first drawn, float64",
        )

    def work(self) -> Work:
        """Of the rank with the most tokens, the mean of all batches; see `encoder.count_flops`.

        Sent are the gradients' sum and what is dealt to others, four bytes a token. A weight is read twice, its
        gradient written, and the update reads four words and writes three.
        """
        tokens = np.mean([self._tokens(batch).max() for batch in range(self.parameters.batches)])
        pairs = np.mean([self._tokens(batch, power=2).max() for batch in range(self.parameters.batches)])
        parameter_bytes = self.gradients.flat.nbytes
        sent_bytes, messages = optimal_traffic(parameter_bytes, self.comm.size)
        return Work(
            items=float(self.lengths.sum() / self.parameters.batches),
            item="token",
            flops=count_flops(self.encoder, float(tokens), float(pairs)),
            memory_bytes=10 * parameter_bytes,
            working_set_bytes=4 * parameter_bytes,
            sent_bytes=sent_bytes + 4 * self.dealt_tokens(),
            messages=messages + self.deal_messages(),
        )

    def dealt_tokens(self) -> float:
        """Tokens that a rank gives to others in a step: the most of any rank, the mean of all batches."""
        return 0.0

    def deal_messages(self) -> int:
        """Messages that follow one another while sequences are dealt out."""
        return 0

    def figures(self, step_s: float) -> list[Figure]:
        """Imbalance, the most tokens over the mean of the ranks; padding, what it would add; the loss if asked for.

        ``loss_curve`` has the mean loss of each pass over the batches, as "8: 5.41, 16: 5.02, ..." by steps; ``loss``
        is its last.
        """
        batches = range(self.parameters.batches)
        uneven = float(np.mean([assignment.imbalance(self._tokens(batch)) for batch in batches]))
        figures = [
            Figure(name="token_imbalance", value=uneven, better="lower"),
            Figure(name="padding", value=float(np.mean([self._padding(batch) for batch in batches])), better="lower"),
            Figure(name="dealt_tokens", value=self.dealt_tokens(), better="lower"),
        ]
        if self.parameters.loss_steps:
            passes = self._train()
            curve = ", ".join(f"{steps}: {loss:.3g}" for steps, loss in passes.items())
            figures.append(Figure(name="loss", value=list(passes.values())[-1], better="lower"))
            figures.append(Figure(name="loss_curve", value=curve))
        return figures

    def _train(self) -> dict[int, float]:
        """The mean loss of every ``batches`` of ``loss_steps`` steps from the start, by the steps taken by then."""
        with contextlib.closing(type(self)(self.parameters, self.comm, self.device)) as fresh:
            losses = []
            for _ in range(self.parameters.loss_steps):
                fresh.step()
                losses.append(self.comm.allreduce(fresh.loss.item()))
        ends = range(min(self.parameters.batches, len(losses)), len(losses) + 1, self.parameters.batches)
        return {end: float(np.mean(losses[max(0, end - self.parameters.batches) : end])) for end in ends}

    def _draw_batches(self, share: range) -> np.ndarray:
        """The sequences of a rank's share in the order of training, int64 [batches, local batch]."""
        rng = np.random.default_rng([self.parameters.seed, 4, share.start])
        order = self.arrange(self.lengths[share.start : share.stop], rng)
        return (order + share.start).reshape(self.parameters.batches, -1)

    def _draw(self, number: int) -> np.ndarray:
        """A sequence with its mask in the lowest bit, int32 [length]: what ranks send one another."""
        length, seed = int(self.lengths[number]), self.parameters.seed
        tokens = draw_sequence(self.parameters.vocabulary, length, seed, int(number))
        return (2 * tokens + draw_masked(length, seed, int(number))).astype(np.int32)

    def _count_masked(self, batch: int) -> int:
        """Tokens to be guessed over all ranks."""
        numbers = np.concatenate([numbers[batch] for numbers in self.drawn])
        return sum(int(draw_masked(int(self.lengths[n]), self.parameters.seed, int(n)).sum()) for n in numbers)

    def _tokens(self, batch: int, power: int = 1) -> np.ndarray:
        """Σ length^power of each rank's sequences, int64 [ranks]."""
        return np.array([(self.lengths[numbers] ** power).sum() for numbers in self.trained_on(batch)])

    def _padding(self, batch: int) -> float:
        """The share of a batch that would be padding if each rank's sequences were made as long as its longest."""
        taken = [self.lengths[numbers] for numbers in self.trained_on(batch)]
        padded = sum(len(lengths) * lengths.max() for lengths in taken)
        return float(1 - sum(lengths.sum() for lengths in taken) / padded)

    def _make_encoder(self) -> Encoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.parameters.seed)
            return Encoder(self.parameters.vocabulary, self.parameters.width, self.parameters.layers)


class Stratified(Shuffled):
    """Every local batch has as many long and short sequences as the rank's whole part: presorting on each rank."""

    def arrange(self, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Bins of lengths, mixed evenly."""
        return assignment.stratified(lengths, self.parameters.batch // self.comm.size, rng)


class Exchanged(Stratified):
    """Stratified, and the ranks of a group deal their batch out anew by length, which costs an exchange of tokens."""

    def __init__(self, parameters: LoadBalancingParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        size = parameters.group or comm.size
        self._group = comm.Split(comm.rank // size, comm.rank)
        first = comm.rank // size * size
        self._members = range(first, first + self._group.size)
        self._dealt = [self._deal(batch) for batch in range(parameters.batches)]

    def trained_on(self, batch: int) -> list[np.ndarray]:
        """After the exchange."""
        return self._dealt[batch][0]

    def fetch(self, batch: int) -> tuple[Tensor, Tensor]:
        """Send every member its sequences of those drawn here, and receive what it dealt to this rank."""
        _, moved = self._dealt[batch]
        me = self.comm.rank
        outgoing = [number for to in self._members for number in moved[me, to]]
        sent = np.concatenate([np.empty(0, np.int32), *(self._sequences[number] for number in outgoing)])
        send_counts = [self._count(moved[me, to]) for to in self._members]
        receive_counts = [self._count(moved[source, me]) for source in self._members]
        received = np.empty(sum(receive_counts), np.int32)
        self._group.Alltoallv([sent, send_counts], [received, receive_counts])
        return _unpacked(received)

    def dealt_tokens(self) -> float:
        """Counted from the plan."""
        per_rank = np.zeros((self.parameters.batches, self.comm.size))
        for batch, (_, moved) in enumerate(self._dealt):
            for (source, to), numbers in moved.items():
                per_rank[batch, source] += self._count(numbers) * (source != to)
        return float(per_rank.max(axis=1).mean())

    def deal_messages(self) -> int:
        """As few as reach g ranks from one: ceil(log2 g), as in `optimal_traffic`."""
        return optimal_traffic(0, self._group.size)[1]

    def close(self) -> None:
        """Free the group's communicator."""
        self._group.Free()

    def _deal(self, batch: int) -> tuple[list[np.ndarray], dict[tuple[int, int], list[int]]]:
        """What each rank has after the exchange, in the order of its arrival, and what goes from whom to whom."""
        ranks = range(self.comm.size)
        size = self.parameters.group or self.comm.size
        moved: dict[tuple[int, int], list[int]] = {(a, b): [] for a in ranks for b in ranks if a // size == b // size}
        for first in range(0, self.comm.size, size):
            members = ranks[first : first + size]
            numbers = np.concatenate([self.drawn[member][batch] for member in members])
            sources = np.repeat(members, len(numbers) // len(members))
            takers = members[0] + assignment.deal(self.lengths[numbers], len(members))
            for number, source, taker in zip(numbers.tolist(), sources.tolist(), takers.tolist(), strict=True):
                moved[source, taker].append(number)
        arrived = [[n for source in ranks for n in moved.get((source, rank), [])] for rank in ranks]
        return [np.array(numbers, np.int64) for numbers in arrived], moved

    def _count(self, numbers: list[int]) -> int:
        return int(self.lengths[numbers].sum())


def _unpacked(packed: np.ndarray) -> tuple[Tensor, Tensor]:
    """Tokens, int64, and mask, bool, from what `Shuffled._draw` packs."""
    return torch.from_numpy((packed >> 1).astype(np.int64)), torch.from_numpy((packed & 1).astype(bool))
