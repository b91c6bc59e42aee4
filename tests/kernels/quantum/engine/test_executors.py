from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.quantum.circuits import reference
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.circuits.families import hardware_efficient
from kernels.quantum.engine.binding import BoundSweeps, Preparation
from kernels.quantum.engine.executors import CompiledExecutor, TorchExecutor
from kernels.quantum.planning.fusion import plan

EXECUTORS = {"compiled": CompiledExecutor(), "torch": TorchExecutor(torch.device("cpu"))}


# a rounding error for each of the gates on an amplitude, of at most 1
TOLERANCES = {torch.complex64: 2e-5, torch.complex128: 1e-12}


def run(
    executor: CompiledExecutor | TorchExecutor,
    circuit: Circuit,
    angles: np.ndarray,
    row_bits: int | None = None,
    dtype: torch.dtype = torch.complex128,
):
    fused = plan(circuit, row_bits, last=list(range(circuit.qubits)))
    source, target = (executor.empty((len(angles), 1 << circuit.qubits), dtype) for _ in range(2))
    executor.prepare(source, Preparation(fused.preparation, circuit.qubits), angles)
    sweeps = BoundSweeps(fused.sweeps)
    numbers = sweeps.bind(angles, source.dtype)
    for number in range(sweeps.count):
        executor.sweep(source, target, sweeps, number, numbers)
        source, target = target, source
    return source


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", EXECUTORS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_sweeps_are_the_gates_one_by_one(
    name: str, dtype: torch.dtype, data: st.DataObject, random_circuits: Callable[[], st.SearchStrategy[Circuit]]
):
    circuit = data.draw(random_circuits())
    row_bits = data.draw(st.integers(2, circuit.qubits))
    state = run(EXECUTORS[name], circuit, np.empty((1, 0)), row_bits, dtype)[0]
    np.testing.assert_allclose(state, reference.simulate(circuit), atol=TOLERANCES[dtype], rtol=0)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", EXECUTORS)
def test_each_circuit_of_a_batch_has_its_own_angles(name: str, dtype: torch.dtype):
    circuit = hardware_efficient(7, 3)
    angles = np.random.default_rng(3).uniform(-7, 7, (3, circuit.parameters))
    states = run(EXECUTORS[name], circuit, angles, dtype=dtype)
    for row, state in zip(angles, states, strict=True):
        np.testing.assert_allclose(state, reference.simulate(circuit, row), atol=TOLERANCES[dtype], rtol=0)


@pytest.mark.parametrize("name", EXECUTORS)
def test_marginals_are_sums_over_columns_and_over_rows(name: str):
    states = torch.view_as_complex(torch.rand(3, 64, 2, generator=torch.manual_seed(0)))
    probabilities = states.numpy().reshape(3, 8, 8)
    rows, columns = EXECUTORS[name].marginals(states, 3)
    np.testing.assert_allclose(rows, (np.abs(probabilities.astype(complex)) ** 2).sum(axis=2), rtol=1e-12)
    np.testing.assert_allclose(columns, (np.abs(probabilities.astype(complex)) ** 2).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_larger_than_the_cache_give_the_same(threads: int):
    # 2**15 rows: more than fit in a tile at full width, in many blocks
    circuit = hardware_efficient(17, 2)
    angles = np.random.default_rng(4).uniform(-7, 7, (1, circuit.parameters))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        state = run(EXECUTORS["compiled"], circuit, angles, row_bits=15)[0]
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(state, reference.simulate(circuit, angles[0]), atol=1e-12, rtol=0)
