import numpy as np
import pytest

from harness.analyse.projection import simulation
from harness.analyse.projection.algorithms import ALGORITHMS, count_terms
from harness.analyse.projection.topologies import TOPOLOGIES, torus_sides

N = float(1 << 20)
CONNECTED = TOPOLOGIES["fully_connected"]


@pytest.mark.parametrize("p", [2, 8, 64, 1024])
def test_costs_on_a_full_network_are_the_textbooks(p):
    rounds, share = np.log2(p), (p - 1) / p
    expected = {
        "recursive_doubling": (rounds, rounds * N, rounds * N),
        "rabenseifner": (2 * rounds, 2 * share * N, share * N),
        "ring": (2 * (p - 1), 2 * share * N, share * N),
        "hierarchical": (2 * rounds, 2 * share * N, share * N),
    }
    for name, (messages, sent_bytes, added_bytes) in expected.items():
        terms = count_terms(name, CONNECTED, p, 1, N)
        assert terms == pytest.approx([messages, sent_bytes, 0, 0, added_bytes, 0])


def test_ranks_beyond_a_power_of_two_cost_two_more_messages_of_all():
    plain, odd = (count_terms("rabenseifner", CONNECTED, p, 1, N) for p in (8, 9))
    assert odd - plain == pytest.approx([2, 2 * N, 0, 0, N, 0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_rank_exchanges_nothing_and_one_node_nothing_over_the_network(algorithm):
    assert not count_terms(algorithm, CONNECTED, 1, 1, N).any()
    terms = count_terms(algorithm, CONNECTED, 1, 8, N)
    assert not terms[[0, 1, 5]].any()
    assert terms[2] > 0


def test_hierarchical_sends_the_whole_message_through_a_nodes_link_once_and_back():
    terms = count_terms("hierarchical", CONNECTED, 4, 8, N)
    assert terms == pytest.approx([4, 2 * 3 / 4 * N, 14, 14 / 8 * N, 7 / 8 * N + 3 / 4 * N / 8, 0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_no_network_is_faster_than_the_full_one(algorithm, topology):
    for nodes in (2, 16, 100, 4096, 100_000):
        assert (count_terms(algorithm, topology, nodes, 1, N) >= count_terms(algorithm, CONNECTED, nodes, 1, N)).all()


def test_recursive_doubling_on_a_ring_shares_links_as_far_as_it_reaches():
    # distances 1, 2, 4, 8: as many links further and as many messages on the middle one
    terms = count_terms("recursive_doubling", TOPOLOGIES["ring"], 16, 1, N)
    assert terms == pytest.approx([4, 15 * N, 0, 0, 4 * N, 0 + 1 + 3 + 7])


@pytest.mark.parametrize("nodes", [1, 7, 64, 1000, 99_991, 100_000])
def test_a_torus_has_room_and_little_more(nodes):
    long, middle, short = torus_sides(nodes)
    assert nodes <= long * middle * short <= 1.1 * nodes + 1
    assert long >= middle >= short


@pytest.mark.skipif(simulation.missing() is not None, reason=simulation.missing() or "")
@pytest.mark.parametrize("algorithm", ["recursive_doubling", "rabenseifner", "ring"])
@pytest.mark.parametrize("topology", ["fully_connected", "fat_tree", "ring", "torus", "hypercube"])
def test_simgrid_agrees_where_the_closed_form_is_exact(algorithm, topology):
    alpha_s, beta_s_per_byte = 1e-6, 1e-9
    request = simulation.Request(
        algorithm=algorithm,
        topology=topology,
        nodes=16,
        message_bytes=N,
        alpha_s=alpha_s,
        beta_s_per_byte=beta_s_per_byte,
    )
    # a further link of a network with switches is half of a neighbour's two
    hop_s = alpha_s if simulation.sides_of(request) else alpha_s / 2
    expected_s = count_terms(algorithm, TOPOLOGIES[topology], 16, 1, N) @ [alpha_s, beta_s_per_byte, 0, 0, 0, hop_s]
    assert simulation.simulate_s(request) == pytest.approx(expected_s, rel=0.01)
