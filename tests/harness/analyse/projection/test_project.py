import time

import numpy as np
import pytest

from harness.analyse.projection.algorithms import ALGORITHMS
from harness.analyse.projection.links import GivenLinks, measure_links
from harness.analyse.projection.project import at_measured_points, exchange_of, project, training_step
from harness.analyse.projection.topologies import TOPOLOGIES
from kernels.api import InputError, Work

CONNECTED = TOPOLOGIES["fully_connected"]
ALPHA_S, BETA_S_PER_BYTE = 1e-5, 1e-9
GRADIENT_BYTES = 4e6


@pytest.fixture
def links():
    return measure_links([], GivenLinks(alpha_s=ALPHA_S, beta_s_per_byte=BETA_S_PER_BYTE), CONNECTED)


@pytest.fixture
def steps(plant):
    """A training step of one second on one rank, half of that and an exchange on two."""

    def make(mode="strong"):
        times_s = {1: 1.0, 2: (0.5 if mode == "strong" else 1.0) + ALPHA_S + BETA_S_PER_BYTE * GRADIENT_BYTES}
        one, two = (
            plant(
                {ranks: time_s},
                mode,
                kernel="mtl_step",
                work=Work(items=256, item="sample", sent_bytes=GRADIENT_BYTES if ranks > 1 else 0.0),
            )[0]
            for ranks, time_s in times_s.items()
        )
        return [one, two]

    return make


def test_a_hundred_thousand_nodes_on_every_network_take_seconds(links):
    begun_s = time.perf_counter()
    found = project(exchange_of(1e8, "mpi4py"), links, TOPOLOGIES, ALGORITHMS, [1, 1000, 100_000], 4)
    assert time.perf_counter() - begun_s < 5
    assert len(found) == len(TOPOLOGIES) * len(ALGORITHMS) * 3
    assert sum(row.fastest for row in found) == len(TOPOLOGIES) * 3


def test_a_ring_pays_until_its_messages_are_latency_only(links):
    (found,) = project(exchange_of(1e6, "mpi4py"), links, ["ring"], ["ring"], [64], 1)
    assert found.predicted_s == pytest.approx(2 * 63 * (ALPHA_S + 1e6 / 64 * BETA_S_PER_BYTE))
    # p n / T with T = 2 (p - 1) (a + n / p b): doubling brings 1.1 times as much while n b / a > 2 p / 9, nearly
    assert found.pays_to_nodes == 512
    assert (found.pays_to_nodes_low, found.pays_to_nodes_high) == (512, 512)
    # given links have no scatter
    assert (found.low_s, found.high_s) == (None, None)


def test_strong_scaling_of_a_training_step_ends_where_the_exchange_outweighs_the_computation(links, steps):
    pattern = training_step(steps(), "mtl_step", "strong")
    assert pattern.message_bytes == pytest.approx(GRADIENT_BYTES)
    assert pattern.most_ranks == 256
    found = project(pattern, links, ["fully_connected"], ["ring"], [1, 64, 256, 1024], 1)
    assert [row.nodes for row in found] == [1, 64, 256]
    exchange_s = 2 * 63 * (ALPHA_S + GRADIENT_BYTES / 64 * BETA_S_PER_BYTE)
    assert found[1].predicted_s == pytest.approx(pattern.compute_s / 64 + exchange_s)
    assert found[1].exchange_s == pytest.approx(exchange_s)
    times_s = [1 / p + 2 * (p - 1) * (ALPHA_S + GRADIENT_BYTES / p * BETA_S_PER_BYTE) for p in 2 ** np.arange(9)]
    paying = [2 ** (step + 1) for step in range(8) if times_s[step] / times_s[step + 1] >= 1.1]
    assert found[0].pays_to_nodes == max(paying)


def test_weak_scaling_keeps_the_computation_and_pays_on(links, steps):
    pattern = training_step(steps("weak"), "mtl_step", "weak")
    (found,) = project(pattern, links, ["fully_connected"], ["rabenseifner"], [100_000], 1)
    assert found.predicted_s == pytest.approx(pattern.compute_s + found.exchange_s)
    assert found.pays_to_nodes is None


def test_predictions_stand_beside_measurements(links, steps):
    rows = steps()
    one, two = at_measured_points(rows, training_step(rows, "mtl_step", "strong"), links)
    assert one.predicted_s == pytest.approx(one.measured_s)
    assert two.predicted_s == pytest.approx(two.measured_s, rel=0.03)
    assert two.low_s < two.predicted_s < two.high_s


def test_a_step_measured_on_one_rank_only_cannot_be_projected(steps):
    with pytest.raises(InputError, match="no right result on several ranks, right would be: scalemark sweep mtl_step"):
        training_step(steps()[:1], "mtl_step", "strong")
