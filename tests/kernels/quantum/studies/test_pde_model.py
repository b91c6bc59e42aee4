from __future__ import annotations

import numpy as np
import pytest
import torch

from kernels.quantum.studies.pde_model import PdeModel, make_inputs, make_samples
from kernels.quantum.studies.quantum_pde import QuantumPdeParameters

CPU = torch.device("cpu")


def test_samples_number_what_the_thesis_says():
    burgers, poisson = make_samples("burgers", 0.05), make_samples("poisson", 0.05)
    assert [len(burgers.values), len(poisson.values)] == [400, 276]
    assert [part.shape[1] for part in (burgers.others, poisson.others)] == [0, 3]


def test_tiled_inputs_are_the_coordinates_and_their_doubles():
    samples = make_samples("burgers", 0.05)
    inputs = make_inputs(samples, "tiled", (2.0, 0.5))
    assert inputs[-1].tolist() == [2.0, 0.5, 4.0, 1.0]


@pytest.mark.parametrize(
    ("values", "floor", "zero"),
    [
        ({}, 0.0078, 0.0702),
        ({"x_radians": 1.0}, 0.0186, 0.0702),
        ({"x_radians": 1.0, "encoding": "tiled"}, 4e-5, 0.0702),
        ({"equation": "poisson"}, 0.0, 0.0005),
    ],
)
def test_floor_and_zero_predictor_are_those_of_the_card(values: dict, floor: float, zero: float):
    """SYSTEMS.md, card h, which gives two digits, the last of some cut off."""
    model = PdeModel(QuantumPdeParameters(**values), CPU)
    assert model.floor == pytest.approx(floor, rel=0.15, abs=1e-9)
    assert np.mean(model.samples.values**2) / 2 == pytest.approx(zero, rel=0.05)


@pytest.mark.parametrize("readout", ["plain", "affine"])
def test_the_gradient_is_that_of_small_differences(readout: str):
    model = PdeModel(QuantumPdeParameters(readout=readout), CPU)
    vector = model.draw(3)
    assert len(vector) == (20 if readout == "affine" else 18)
    vector[-2:] += 0.1
    loss, gradient = model.loss_and_gradient(vector)
    assert loss == pytest.approx(np.mean((model.samples.values - model.reference(vector)) ** 2) / 2, rel=1e-12)
    for place in range(0, len(vector), 5):
        shift = 1e-5 * (np.arange(len(vector)) == place)
        plus, minus = (model.loss_and_gradient(vector + sign * shift)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((plus - minus) / 2e-5, abs=1e-8)
