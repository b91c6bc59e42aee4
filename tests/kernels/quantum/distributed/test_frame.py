from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernels.quantum.distributed.frame import Frame
from kernels.quantum.planning.primitives import Move

QUBITS, LOCAL = 6, 4
# CNOTs of any two qubits, and exchanges of a local bit and a rank bit
CHANGES = st.one_of(
    st.permutations(range(QUBITS)).map(lambda order: Move((order[0], order[1]))),
    st.tuples(st.integers(0, LOCAL - 1), st.integers(0, QUBITS - LOCAL - 1)),
)


@given(order=st.permutations(range(QUBITS)), changes=st.lists(CHANGES, max_size=40))
def test_a_flip_of_one_qubit_shows_in_no_other_and_every_local_bit_holds_one(order: list[int], changes: list) -> None:
    frame = Frame(order, LOCAL)
    for change in changes:
        if isinstance(change, Move):
            frame.take(change)
        else:
            frame.exchange([change])
        for qubit, source in enumerate(frame.sources):
            seen = [(source & image).bit_count() % 2 for image in frame.images]
            assert seen == [other == qubit for other in range(QUBITS)]
        local = (1 << LOCAL) - 1
        assert {bit: 1 << bit for bit in range(LOCAL)} == {
            bit: frame.sources[qubit] & local for bit, qubit in frame.owners.items()
        }
    frame.flatten()
    assert all(frame.sources[qubit] == 1 << bit for bit, qubit in frame.owners.items())
