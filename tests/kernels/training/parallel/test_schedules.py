from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.training.parallel.schedules import Action, bubble, gpipe, most_in_flight, one_forward_one_backward, replay

SCHEDULES = [gpipe, one_forward_one_backward]


def finish(schedule, stages: int, micro_batches: int) -> float:
    """When all stages are done if each action takes one unit of time."""
    actions = [schedule(stage, stages, micro_batches) for stage in range(stages)]
    return replay(actions, [[1.0] * len(own) for own in actions])


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(stages=st.integers(1, 8), micro_batches=st.integers(1, 16))
def test_every_micro_batch_goes_once_each_way_and_the_bubble_is_the_papers(schedule, stages, micro_batches) -> None:
    for stage in range(stages):
        actions = schedule(stage, stages, micro_batches)
        assert sorted(actions) == sorted(
            Action(direction, index) for direction in ("forward", "backward") for index in range(micro_batches)
        )
        assert all(actions.index(("forward", m)) < actions.index(("backward", m)) for m in range(micro_batches))
    took = finish(schedule, stages, micro_batches)
    assert 1 - 2 * micro_batches / took == pytest.approx(bubble(stages, micro_batches))


@given(stages=st.integers(1, 8), micro_batches=st.integers(1, 16))
def test_one_forward_one_backward_keeps_no_more_than_the_stages_behind(stages, micro_batches) -> None:
    for stage in range(stages):
        kept = most_in_flight(one_forward_one_backward(stage, stages, micro_batches))
        assert kept == min(stages - stage, micro_batches)
        assert most_in_flight(gpipe(stage, stages, micro_batches)) == micro_batches


def test_replayed_times_follow_what_stages_wait_for() -> None:
    """A slow second stage: the first waits for both of its ways back."""
    actions = [gpipe(stage, 2, 2) for stage in range(2)]
    actions_s = [[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]]
    # forward 1, then 3 + 3 + 4 + 4 on the second stage, then the last way back on the first
    assert replay(actions, actions_s) == 1 + 14 + 2
    # without ways back between the stages nothing waits for them
    assert replay(actions, actions_s, gradients=False) == 1 + 14


def test_stages_that_wait_for_one_another_are_told() -> None:
    with pytest.raises(ValueError, match="for ever"):
        replay([[Action("backward", 0), Action("forward", 0)], gpipe(1, 2, 1)], [[1.0, 1.0], [1.0, 1.0]])
