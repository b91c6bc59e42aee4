"""What ``quantum_pde`` trains: samples of a solution, the circuit that is to predict them, its loss and gradient."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.qcnn.module import QCNN
from kernels.quantum.studies.pde_circuits import (
    Encoding,
    Equation,
    circuit_units,
    feature_map,
    least_squares_floor,
    reference_values,
)
from kernels.quantum.studies.pde_solutions import (
    DURATION,
    LENGTH,
    cole_hopf,
    collocate_poisson,
    solve_burgers,
    solve_poisson,
)

if TYPE_CHECKING:
    from kernels.quantum.studies.quantum_pde import QuantumPdeParameters


BURGERS_POINTS = 20
POISSON_GRIDS = (5, 7, 9, 11)


class Samples(NamedTuple):
    """Both coordinates in [0, 1], (samples, 2); what else enters, (samples, others); the solution there, twice.

    ``references`` are from an independent method.
    """

    coordinates: Reals
    others: Reals
    values: Reals
    references: Reals


def make_samples(equation: Equation, viscosity: float) -> Samples:
    """Burgers: ``(x, t)`` on a grid of 20 by 20, nothing else. Poisson: ``(x, y)`` on four grids, 276 points in all.

    With Poisson's points enter the source, the diffusivity 1 and the grid's spacing: the thesis has five inputs and
    does not name them.
    """
    if equation == "burgers":
        axis = np.linspace(0, 1, BURGERS_POINTS)
        problem = viscosity, LENGTH * axis, DURATION * axis
        values, references = (solve(*problem).T.ravel() for solve in (solve_burgers, cole_hopf))
        return Samples(_grid(BURGERS_POINTS), np.empty((values.size, 0)), values, references)
    coordinates = np.concatenate([_grid(points) for points in POISSON_GRIDS])
    spacings = np.concatenate([np.full(points**2, 1 / (points - 1)) for points in POISSON_GRIDS])
    x, y = coordinates.T
    others = np.stack([np.sin(pi * x) * np.sin(pi * y), np.ones_like(x), spacings], axis=1)
    return Samples(coordinates, others, solve_poisson(x, y), collocate_poisson(x, y))


def _grid(points: int) -> Reals:
    axis = np.linspace(0, 1, points)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def make_inputs(samples: Samples, encoding: Encoding, spans: tuple[float, float]) -> Reals:
    """Angles (samples, qubits) in radians: the coordinates scaled to ``spans``, their doubles if tiled, the others."""
    scaled = samples.coordinates * spans
    doubled = [2 * scaled] if encoding == "tiled" else []
    return np.concatenate([scaled, *doubled, samples.others], axis=1)


class PdeModel:
    """``scale <Z> + bias`` of the encoded samples; unless the readout is affine, scale stays 1 and bias 0.

    What can be trained is a vector: the weights, then scale and bias if they are trained. What does not depend on it,
    the encoded states, is computed once.
    """

    def __init__(self, parameters: QuantumPdeParameters, place: torch.device) -> None:
        self.samples = make_samples(parameters.equation, parameters.viscosity)
        spans = parameters.x_radians, parameters.t_radians
        self.inputs = make_inputs(self.samples, parameters.encoding, spans)
        self.repetitions = parameters.repetitions
        self.units = circuit_units(parameters.equation, parameters.encoding)
        self.network = QCNN(self.inputs.shape[1], parameters.precision, self.units).to(place)
        weights = self.network.weights
        self._affine = torch.tensor([1.0, 0.0]).to(weights).requires_grad_(parameters.readout == "affine")
        states = feature_map(self.inputs, self.repetitions)
        self.floor = least_squares_floor(states, self.samples.values)
        self._states = torch.from_numpy(states).to(place, self.network.dtype)
        self._values = torch.from_numpy(self.samples.values).to(weights)
        self._variables = [weights, self._affine] if self._affine.requires_grad else [weights]

    def draw(self, seed: int) -> Reals:
        """Where training starts: weights uniform in [0, 2 pi), scale 1, bias 0."""
        weights = np.random.default_rng(seed).uniform(0, 2 * pi, self.network.weights.numel())
        return np.append(weights, [1.0, 0.0])[: sum(variable.numel() for variable in self._variables)]

    def loss_and_gradient(self, vector: Reals) -> tuple[float, Reals]:
        """``sum (y - f)^2 / 2N`` over all samples, and its gradient by reverse mode, in float64."""
        loss = (self._answers(vector) - self._values).double().square().mean() / 2
        gradient = torch.autograd.grad(loss, self._variables)
        return loss.item(), torch.cat(gradient).double().cpu().numpy()

    def predict(self, vector: Reals) -> Reals:
        """The answers for all samples, float64."""
        with torch.no_grad():
            return self._answers(vector).double().cpu().numpy()

    def reference(self, vector: Reals) -> Reals:
        """`predict` by textbook gates one at a time in complex128."""
        count = self.network.weights.numel()
        scale, bias = vector[count:] if self._affine.requires_grad else (1.0, 0.0)
        return scale * reference_values(self.units, vector[:count], self.inputs, self.repetitions) + bias

    def _answers(self, vector: Reals) -> torch.Tensor:
        parts = torch.from_numpy(vector).split([variable.numel() for variable in self._variables])
        with torch.no_grad():
            for variable, part in zip(self._variables, parts, strict=True):
                variable.copy_(part)
        return self._affine[0] * self.network.read(self._states) + self._affine[1]
