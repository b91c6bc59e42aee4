import numpy as np
import pytest

from harness.analyse.projection.algorithms import Links, count_terms
from harness.analyse.projection.links import GivenLinks, measure_links
from harness.analyse.projection.topologies import TOPOLOGIES
from kernels.api import InputError

CONNECTED = TOPOLOGIES["fully_connected"]


def test_alpha_and_beta_are_found_within_their_intervals_and_taken_between_nodes_too(plant_sizes):
    found = measure_links(plant_sizes(2e-6, 2.5e-10), GivenLinks(), CONNECTED)
    assert found.links.node_alpha_s == pytest.approx(2e-6, rel=0.02)
    assert found.links.node_beta_s_per_byte == pytest.approx(2.5e-10, rel=0.02)
    assert found.links.alpha_s == found.links.node_alpha_s
    low, high = np.quantile(found.replicates[:, 2], (0.025, 0.975))
    assert low <= 2e-6 <= high
    assert found.algorithm == "recursive_doubling"
    assert found.residual < 0.02
    assert "alpha between nodes: neither measured nor given, taken as within nodes" in found.sources


@pytest.mark.parametrize("algorithm", ["recursive_doubling", "rabenseifner", "ring"])
def test_the_algorithm_that_a_library_uses_is_recognised(plant, algorithm):
    links = np.array([0, 0, 2e-6, 2.5e-10, 0, 0])
    rows = []
    for size in (8.0, 65536.0, 16777216.0):
        times_s = {ranks: count_terms(algorithm, CONNECTED, 1, ranks, size) @ links for ranks in (4, 8, 16)}
        rows += plant(times_s, kernel="allreduce", parameters={"message_bytes": size}, effect=0.01)
    found = measure_links(rows, GivenLinks(), CONNECTED)
    assert found.algorithm == algorithm
    assert found.links.node_alpha_s == pytest.approx(2e-6, rel=0.05)


def test_what_our_own_algorithms_did_is_known_where_times_cannot_tell(plant):
    """On two ranks a ring sends two messages where recursive doubling sends one as long as both."""
    links = np.array([0, 0, 2e-6, 2.5e-10, 0, 0])
    rows = []
    for size in (8.0, 65536.0, 16777216.0):
        times_s = {2: count_terms("ring", CONNECTED, 1, 2, size) @ links}
        rows += plant(times_s, kernel="allreduce", parameters={"message_bytes": size}, effect=0.01)
    found = measure_links(rows, GivenLinks(), CONNECTED, exchange="ring")
    assert found.algorithm == "ring"
    assert found.links.node_alpha_s == pytest.approx(2e-6, rel=0.05)


def test_what_is_given_is_kept_and_only_the_rest_is_fitted(plant_sizes):
    given = GivenLinks(alpha_s=1e-6, beta_s_per_byte=1e-10, node_alpha_s=5e-7)
    found = measure_links(plant_sizes(5e-7, 2.5e-10), given, CONNECTED).links
    assert (found.alpha_s, found.beta_s_per_byte, found.node_alpha_s) == (1e-6, 1e-10, 5e-7)
    assert found.node_beta_s_per_byte == pytest.approx(2.5e-10, rel=0.02)


def test_links_can_be_given_without_any_measurement():
    found = measure_links([], GivenLinks(alpha_s=1e-6, beta_s_per_byte=1e-10, gamma_s_per_byte=1e-11), CONNECTED)
    assert found.links == Links(
        alpha_s=1e-6,
        beta_s_per_byte=1e-10,
        node_alpha_s=1e-6,
        node_beta_s_per_byte=1e-10,
        gamma_s_per_byte=1e-11,
        hop_s=1e-7,
    )


def test_too_few_measurements_are_told_with_what_to_do(plant_sizes):
    with pytest.raises(InputError, match=r"found 2 measured allreduces .* right would be 3: scalemark sweep allreduce"):
        measure_links(plant_sizes(2e-6, 2.5e-10, sizes=(8, 1024)), GivenLinks(), CONNECTED)
