import pytest

from harness.analyse.projection import simulation
from harness.analyse.projection.simulation import Request, describe_platform, exchanges, host_of
from kernels.api import InputError


def ask(topology="ring", algorithm="ring", nodes=16):
    return Request(
        algorithm=algorithm, topology=topology, nodes=nodes, message_bytes=1024, alpha_s=1e-6, beta_s_per_byte=1e-9
    )


@pytest.mark.parametrize("topology", ["ring", "torus", "hypercube", "fully_connected"])
def test_a_ring_of_messages_runs_over_neighbours(topology):
    request = ask(topology, nodes=64)
    hosts = [host_of(request, rank) for rank in range(64)]
    assert sorted(hosts) == list(range(64))
    sides = simulation.sides_of(request)
    for here, there in zip(hosts, [*hosts[1:], hosts[0]], strict=True):
        distance = 0
        for side in sides:
            difference = abs(here % side - there % side)
            distance += min(difference, side - difference)
            here, there = here // side, there // side
        assert distance == (1 if sides else 0)


@pytest.mark.parametrize("algorithm", ["recursive_doubling", "rabenseifner", "ring"])
def test_every_message_sent_is_received(algorithm):
    steps = [exchanges(ask(algorithm=algorithm), rank) for rank in range(16)]
    for step in range(len(steps[0])):
        sent = {(rank, steps[rank][step][0]) for rank in range(16)}
        assert sent == {(steps[rank][step][1], rank) for rank in range(16)}


def test_the_platform_names_its_links():
    assert 'topology="TORUS" topo_parameters="16"' in describe_platform(ask())
    assert 'lat="1e-06s"' in describe_platform(ask())
    assert 'lat="5e-07s"' in describe_platform(ask("fully_connected"))
    assert 'topology="FAT_TREE"' in describe_platform(ask("fat_tree"))


def test_without_simgrid_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(simulation, "missing", lambda: "needs SimGrid's Python module")
    with pytest.raises(InputError, match="needs SimGrid"):
        simulation.simulate_s(ask())
