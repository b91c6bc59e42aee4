"""In which order a pipeline's stages take their micro-batches forward and backward."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Action(NamedTuple):
    """What a stage does next."""

    direction: Literal["forward", "backward"]
    micro_batch: int


def gpipe(stage: int, stages: int, micro_batches: int) -> list[Action]:
    """All forward, then all backward (Huang et al., NeurIPS 2019, figure 2c); the same on every stage."""
    forward = [Action("forward", index) for index in range(micro_batches)]
    return forward + [Action("backward", index) for index in range(micro_batches)]


def one_forward_one_backward(stage: int, stages: int, micro_batches: int) -> list[Action]:
    """As few forward as fill the pipeline, then one backward for each forward (PipeDream, SOSP 2019, figure 4).

    A stage has at most ``stages - stage`` micro-batches in flight, where `gpipe` has all of them.
    """
    ahead = min(stages - 1 - stage, micro_batches)
    actions = [Action("forward", index) for index in range(ahead)]
    for index in range(micro_batches):
        if index + ahead < micro_batches:
            actions.append(Action("forward", index + ahead))
        actions.append(Action("backward", index))
    return actions


def most_in_flight(actions: list[Action]) -> int:
    """Of how many micro-batches a stage keeps the activations at the worst moment."""
    count = most = 0
    for action in actions:
        count += 1 if action.direction == "forward" else -1
        most = max(most, count)
    return most


def bubble(stages: int, micro_batches: int) -> float:
    """The share of time that equal stages wait while the pipeline fills and drains (GPipe, section 2.3)."""
    return (stages - 1) / (micro_batches + stages - 1)


def replay(actions: list[list[Action]], actions_s: list[list[float]], gradients: bool = True) -> float:
    """How long stages with these actions take if each action lasts so long and all that is passed on is there at once.

    A micro-batch goes forward once the stage before has done so, and, where ``gradients`` travel, back once the stage
    after has.
    """
    queues = [list(zip(own, own_s, strict=True)) for own, own_s in zip(actions, actions_s, strict=True)]
    ends_s: dict[tuple[int, Action], float] = {}
    clocks_s = [0.0] * len(queues)
    while any(queues):
        left = sum(map(len, queues))
        for stage, queue in enumerate(queues):
            while queue:
                action, lasts_s = queue[0]
                source = stage - 1 if action.direction == "forward" else stage + 1
                needed = 0 <= source < len(queues) and (gradients or action.direction == "forward")
                if needed and (source, action) not in ends_s:
                    break
                clocks_s[stage] = max(clocks_s[stage], ends_s[source, action] if needed else 0) + lasts_s
                ends_s[stage, action] = clocks_s[stage]
                queue.pop(0)
        if sum(map(len, queues)) == left:
            raise ValueError("the stages wait for one another for ever")
    return max(clocks_s)
