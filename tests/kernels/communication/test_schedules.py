from __future__ import annotations

import math
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.communication.schedules import (
    Round,
    Schedule,
    count,
    hierarchical,
    near_square,
    rabenseifner,
    recursive_doubling,
    ring,
)

FLAT = (ring, recursive_doubling, rabenseifner)


def simulate(schedules: Sequence[Schedule], vectors: np.ndarray) -> np.ndarray:
    """What each rank ends with, [ranks, elements], when all exchange their messages at their own speed."""
    vectors = vectors.copy()
    messages: defaultdict[tuple[int, int], deque[np.ndarray]] = defaultdict(deque)

    def run(rank: int) -> Iterator[None]:
        own = vectors[rank]
        for step in schedules[rank]:
            if step.sent:
                messages[rank, step.to].append(own[step.sent.start : step.sent.stop].copy())
            if step.received:
                while not messages[step.source, rank]:
                    yield
                part = own[step.received.start : step.received.stop]
                part[:] = messages[step.source, rank].popleft() + step.adds * part
        yield from iter(())

    running = [run(rank) for rank in range(len(schedules))]
    for _ in range(10_000):
        running = [process for process in running if next(process, process) is None]
        if not running:
            assert not any(messages.values())
            return vectors
    raise AssertionError("ranks wait for ever")


@settings(deadline=None)
@given(st.integers(1, 19), st.integers(0, 40))
def test_every_rank_ends_with_the_sum(ranks: int, elements: int) -> None:
    vectors = np.random.default_rng(elements).integers(-99, 99, (ranks, elements))
    for algorithm in FLAT:
        ended = simulate([algorithm(range(ranks), rank, elements) for rank in range(ranks)], vectors)
        np.testing.assert_array_equal(ended, np.broadcast_to(vectors.sum(0), vectors.shape), algorithm.__name__)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 40), st.randoms())
def test_groups_of_any_sizes_and_members_sum_as_well(sizes: list[int], elements: int, random) -> None:
    ranks = list(range(sum(sizes)))
    random.shuffle(ranks)
    groups = [[ranks.pop() for _ in range(size)] for size in sizes]
    vectors = np.random.default_rng(elements).integers(-99, 99, (sum(sizes), elements))
    ended = simulate([hierarchical(groups, rank, elements) for rank in range(sum(sizes))], vectors)
    np.testing.assert_array_equal(ended, np.broadcast_to(vectors.sum(0), vectors.shape))


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 7, 8, 16])
def test_costs_are_those_of_the_closed_forms(ranks: int) -> None:
    """n is a multiple of every p here, so that shares are even."""
    n, power = 1680, 1 << ranks.bit_length() - 1
    doublings, folds = int(math.log2(power)), ranks > power
    costs = {f.__name__: count([f(range(ranks), rank, n) for rank in range(ranks)]) for f in FLAT}
    for name, messages, sent, added, depth in (
        ("ring", 2 * (ranks - 1), 2 * n * (ranks - 1) / ranks, n * (ranks - 1) / ranks, ranks - 1),
        ("recursive_doubling", doublings, doublings * n, doublings * n, doublings),
        ("rabenseifner", 2 * doublings, 2 * n * (power - 1) / power, n * (power - 1) / power, doublings),
    ):
        fold = folds and name != "ring"
        # who takes a neighbour in sends the sum back; what the neighbour sent is sent by another rank
        expected = (messages + 2 * fold, sent + n * fold, added + n * fold, depth + fold)
        cost = costs[name]
        assert (cost.messages, cost.sent, cost.added, cost.depth) == expected, name


def test_two_levels_send_less_between_groups() -> None:
    """Of four groups of four, a rank sends between groups what Rabenseifner sends of a quarter: 2 (4-1)/4 n/4."""
    groups = [range(first, first + 4) for first in range(0, 16, 4)]
    for rank in range(16):
        own = next(group for group in groups if rank in group)
        between = sum(len(step.sent) for step in hierarchical(groups, rank, 1600) if step.to not in own)
        assert between == 600


def test_a_lost_message_is_noticed() -> None:
    with pytest.raises(ValueError, match="ranks 1 wait"):
        count([[], [Round(source=0, received=range(3))]])


@pytest.mark.parametrize(
    ("ranks", "sizes"), [(1, [1]), (2, [2]), (3, [2, 1]), (6, [3, 3]), (7, [3, 2, 2]), (8, [4, 4])]
)
def test_groups_are_neighbours_of_about_one_size(ranks: int, sizes: list[int]) -> None:
    groups = near_square(ranks)
    assert [len(group) for group in groups] == sizes
    assert [rank for group in groups for rank in group] == list(range(ranks))


def test_one_overtakes_another_where_the_closed_forms_say_so() -> None:
    pytest.importorskip("simgrid", reason="needs SimGrid: tests/setup-optional.sh installs it")
    script = Path(__file__).parents[3] / "benchmarks" / "crossovers.py"
    done = subprocess.run([sys.executable, script, "--ranks", "3,5,7"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| 7 | recursive-doubling from 0.25 KiB, rabenseifner from 8 KiB, ring from 32 KiB |" in done.stdout
