from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.api import InputError
from kernels.quantum.circuits.circuit import Circuit, Gate
from kernels.quantum.circuits.families import ghz, hardware_efficient
from kernels.quantum.distributed.plan import Distribution, check_ranks, distribute
from kernels.quantum.planning.fusion import Stage, fuse
from kernels.quantum.planning.primitives import Angle, Phase, Primitive, Rotation, lower


def angles_of(kind: type[Primitive], primitives: Iterable[Primitive]) -> list[Angle]:
    return sorted(primitive.angle for primitive in primitives if isinstance(primitive, kind))


def exchanged_bits(distribution: Distribution) -> list[int]:
    return [len(leg.exchanged) for leg in distribution.legs]


@pytest.mark.parametrize("rank_bits", [1, 2, 3])
def test_cnots_and_phases_need_no_other_rank(rank_bits: int):
    gates = (*ghz(9).gates, Gate("cx", (8, 0)), Gate("rzz", (0, 8), 0.3), Gate("cp", (8, 7), 0.4), Gate("swap", (1, 8)))
    assert exchanged_bits(distribute(Circuit(9, gates), rank_bits)) == [0]


def test_rotations_of_every_qubit_after_a_ring_need_one_exchange():
    # the product state that begins needs none, and a ring lets all but a few qubits turn before it
    assert exchanged_bits(distribute(hardware_efficient(12, 3), 1)) == [0, 1]
    assert distribute(hardware_efficient(12, 3), 1).sent_amplitudes() == 2**10


def test_an_exchange_more_lets_one_sweep_serve_each_layer_after_the_first():
    distribution = distribute(hardware_efficient(22, 5), 2)
    assert exchanged_bits(distribution) == [0, 2, 2, 2]
    stages = [[primitive for primitive, _ in leg.primitives] for leg in distribution.legs]
    assert len(fuse([Stage(primitives) for primitives in stages], distribution.local_bits).sweeps) == 4
    # three quarters of 2**20 amplitudes, each time: in pieces of 2**16, which divide a quarter
    assert distribution.sent_amplitudes() == 3 * 3 * 2**18
    assert distribution.count_messages(2**16) == 3 * 3 * 4


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_nothing_is_lost_and_no_rotation_leaves_a_rank(
    data: st.DataObject, random_circuits: Callable[..., st.SearchStrategy[Circuit]]
):
    circuit = data.draw(random_circuits(most_qubits=9))
    rank_bits = data.draw(st.integers(0, (circuit.qubits + 1) // 3))
    distribution = distribute(circuit, rank_bits)
    assert distribution.legs
    lowered = [primitive for gate in circuit.gates for primitive in lower(gate)]
    parts = [*distribution.head, *(signed.primitive for leg in distribution.legs for signed in leg.primitives)]
    for kind in (Rotation, Phase):
        assert angles_of(kind, parts) == angles_of(kind, lowered)
    for leg in distribution.legs:
        for primitive, rank_mask in leg.primitives:
            assert all(0 <= bit < distribution.local_bits for bit in primitive.qubits)
            assert rank_mask < 1 << rank_bits
    # the sources tell all states apart
    span = {0}
    for source in distribution.sources:
        assert source not in span
        span |= {source ^ other for other in span}


@pytest.mark.parametrize(("qubits", "ranks"), [(20, 3), (4, 4), (7, 8)])
def test_ranks_that_cannot_share_a_state_are_refused(qubits: int, ranks: int):
    with pytest.raises(
        InputError, match=rf"found {ranks} ranks for {qubits} qubits; right would be a power of two up to"
    ):
        check_ranks(qubits, ranks)
