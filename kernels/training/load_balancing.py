"""Kernel ``load_balancing``: a training step on sequences of very different lengths, shared out over the ranks.

The step waits for the rank with the most tokens. Its network is a small BERT encoder that guesses masked tokens; the
strategies are those of Samsung's MLPerf submission, local presorting by stratification and exchange within groups.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from kernels.api import Backend, InputError, Kernel, Parameters
from kernels.communication.allreduce import host_missing
from kernels.declaring import growing, imported


class LoadBalancingParameters(Parameters, frozen=True):
    """The sequences, how they are grouped, the encoder and its optimiser."""

    batch: Annotated[int, Meta(ge=1, description="sequences of a step, over all ranks")] = 32
    batches: Annotated[int, Meta(ge=1, description="batches of different sequences, taken in turn")] = 8
    median_tokens: Annotated[float, Meta(ge=2, le=512, description="median length of a sequence, tokens")] = 96.0
    spread: Annotated[float, Meta(ge=0, description="standard deviation of the length's logarithm")] = 0.8
    group: Annotated[int, Meta(ge=0, description="ranks that exchange sequences with one another; 0: all")] = 0
    width: Annotated[int, Meta(ge=4, multiple_of=4, description="numbers that stand for a token")] = 128
    layers: Annotated[int, Meta(ge=1, description="layers of the encoder")] = 4
    vocabulary: Annotated[int, Meta(ge=8, description="different tokens")] = 256
    optimizer: Annotated[Literal["adam", "lamb"], Meta(description="what makes a step of the gradient")] = "adam"
    learning_rate: Annotated[float, Meta(gt=0, description="the optimiser's step size")] = 1e-3
    loss_steps: Annotated[int, Meta(ge=0, description="steps from the start, untimed, before loss is told; 0: not")] = 0
    seed: Annotated[int, Meta(ge=0, description="seed of sequences, weights and orders")] = 0


def _check(parameters: LoadBalancingParameters, ranks: int) -> None:
    place = "kernel load_balancing: parameter"
    if parameters.batch % ranks:
        nearest = max(ranks, parameters.batch // ranks * ranks)
        raise InputError(f"{place} batch: found {parameters.batch} for {ranks} ranks; right would be {nearest}")
    if parameters.group and ranks % parameters.group:
        raise InputError(f"{place} group: found {parameters.group} of {ranks} ranks; right would be a divisor, or 0")


_WORKLOADS = "kernels.training.balancing.workload"

KERNEL = Kernel(
    name="load_balancing",
    version=1,
    summary="a training step of a small BERT on sequences of very different lengths",
    parameters=LoadBalancingParameters,
    backends={
        "shuffled": Backend("sequences as they come", imported(f"{_WORKLOADS}:Shuffled"), host_missing),
        "stratified": Backend(
            "each rank's batches are alike in lengths", imported(f"{_WORKLOADS}:Stratified"), host_missing
        ),
        "exchanged": Backend(
            "ranks of a group deal out their batch by length", imported(f"{_WORKLOADS}:Exchanged"), host_missing
        ),
    },
    reference="shuffled",
    scaling="strong: the batch's sequences are divided over the ranks; weak: they grow with them",
    grow=growing("batch"),
    check=_check,
)
