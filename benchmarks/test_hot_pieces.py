"""The hot pieces that run in one process, in the format that users of pytest-benchmark already compare.

nox -s microbench -- --benchmark-compare
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kernels.communication.buckets import clip
from kernels.data.dataset import open_dataset
from kernels.data.generation import generate
from kernels.material.tensile import draw_cards, simulate
from kernels.quantum import QCNN, Simulator
from kernels.quantum.circuits.families import hardware_efficient


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("qubits", [12, 18])
def test_circuit(benchmark, qubits: int, precision: str) -> None:
    circuit = hardware_efficient(qubits, 5)
    simulator = Simulator(circuit, precision)
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (1, circuit.parameters))
    states = benchmark(simulator.run, angles)
    assert float(states.abs().pow(2).sum()) == pytest.approx(1, abs=1e-4)


@pytest.fixture
def qcnn() -> tuple[QCNN, torch.Tensor]:
    inputs = torch.from_numpy(np.random.default_rng(0).uniform(0, np.pi, (64, 8)).astype(np.float32))
    return QCNN(8), inputs


def test_qcnn_values(benchmark, qcnn) -> None:
    layer, inputs = qcnn
    with torch.no_grad():
        values = benchmark(layer, inputs)
    assert values.abs().max() <= 1 + 1e-5


def test_qcnn_gradient(benchmark, qcnn) -> None:
    layer, inputs = qcnn

    def differentiate() -> None:
        layer.zero_grad()
        layer(inputs).sum().backward()

    benchmark(differentiate)
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in layer.parameters())


def test_record_decode(benchmark, tmp_path: Path) -> None:
    generate(tmp_path / "records", records=1024, shards=1, seed=0)
    dataset = open_dataset(tmp_path / "records")
    features, _ = benchmark(dataset.read, 0, 1024)
    assert features.shape == (1024, 1080)


def test_gradient_clipping(benchmark) -> None:
    gradient = torch.from_numpy(np.random.default_rng(0).standard_normal(1 << 20, np.float32))
    benchmark(clip, gradient)
    assert float(gradient.norm()) == pytest.approx(1, abs=1e-3)


def test_material_update(benchmark) -> None:
    cards = draw_cards(64, np.random.default_rng(0))
    strains = benchmark(simulate, cards)
    assert np.isfinite(strains).all()
