"""The circuits of the image studies on four qubits: one that is trained, one that stays as it was drawn."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import torch

from kernels.quantum.circuits.circuit import Circuit, Gate, Parameter
from kernels.quantum.circuits.reference import expectations, simulate
from kernels.quantum.engine.statevector import Simulator

QUBITS = 4

# PennyLane's RandomLayers: as many rotations as qubits, a CNOT before a rotation with this probability
_CNOT_SHARE = 0.3
_CNOTS = ((0, 1), (2, 3), (1, 2))


class DressedCircuit(torch.nn.Module):
    """From angles (batch, 4) in radians to ``<Z>`` of each qubit, (batch, 4).

    H and RY(angle) on each qubit, then ``depth`` layers of CNOTs on (0,1), (2,3), (1,2) and a trained RY on each qubit:
    Mari et al., Quantum 4, 340 (2020), section 4. All of it is real, and what is trained does not depend on the input:
    the layers are one orthogonal matrix for the whole batch.
    """

    _permutation: torch.Tensor
    _signs: torch.Tensor

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(0.01 * torch.randn(depth, QUBITS))
        index = torch.arange(1 << QUBITS)
        permutation = index
        for control, target in _CNOTS:
            permutation = permutation ^ (permutation >> (QUBITS - 1 - control) & 1) << (QUBITS - 1 - target)
        bits = index[:, None] >> torch.arange(QUBITS - 1, -1, -1) & 1
        self.register_buffer("_permutation", permutation, persistent=False)
        self.register_buffer("_signs", 1.0 - 2.0 * bits, persistent=False)

    def forward(self, angles: torch.Tensor) -> torch.Tensor:
        """Qubit 0 is the most significant bit of a state's index."""
        cosines, sines = torch.cos(angles / 2), torch.sin(angles / 2)
        qubits = torch.stack([cosines - sines, cosines + sines], dim=2) / sqrt(2)
        states = _product(qubits[..., None])[..., 0]
        return (states @ self._layers().T).square() @ self._signs

    def _layers(self) -> torch.Tensor:
        """The trained layers as one (16, 16) matrix."""
        cosines, sines = torch.cos(self.weights / 2), torch.sin(self.weights / 2)
        rotations = torch.stack([cosines, -sines, sines, cosines], dim=2).view(-1, QUBITS, 2, 2)
        # column j of a layer holds where basis state j goes, which the CNOTs first move
        layers = _product(rotations)[:, :, self._permutation]
        result = layers[0]
        for layer in layers[1:]:
            result = layer @ result
        return result


def _product(factors: torch.Tensor) -> torch.Tensor:
    """Kronecker products over the qubits: (batch, qubits, rows, columns) to (batch, rows**qubits, columns**qubits)."""
    result = factors[:, 0]
    for qubit in range(1, factors.shape[1]):
        right = factors[:, qubit]
        result = (result[:, :, None, :, None] * right[:, None, :, None, :]).flatten(3, 4).flatten(1, 2)
    return result


class DressedReference(torch.nn.Module):
    """A `DressedCircuit` by textbook gates one at a time in complex128."""

    def __init__(self, circuit: DressedCircuit) -> None:
        super().__init__()
        layers = circuit.weights.detach().double().cpu().numpy()
        self._gates: list[Gate] = []
        for layer in layers:
            self._gates += [Gate("cx", pair) for pair in _CNOTS]
            self._gates += [Gate("ry", (qubit,), float(angle)) for qubit, angle in enumerate(layer)]

    def forward(self, angles: torch.Tensor) -> torch.Tensor:
        """As `DressedCircuit`, in float64."""
        inputs = [Gate("h", (qubit,)) for qubit in range(QUBITS)]
        inputs += [Gate("ry", (qubit,), Parameter(qubit)) for qubit in range(QUBITS)]
        return _simulate(Circuit(QUBITS, (*inputs, *self._gates)), angles)


def draw_filter(seed: int) -> Circuit:
    """RY(pi x) of a patch's four pixels on four qubits, given as angles pi x, then a random layer.

    Henderson et al., Quantum Machine Intelligence 2, 2 (2020); the layer is drawn as PennyLane's RandomLayers does.
    """
    random = np.random.default_rng(seed)
    gates = [Gate("ry", (qubit,), Parameter(qubit)) for qubit in range(QUBITS)]
    rotations = 0
    while rotations < QUBITS:
        if random.random() < _CNOT_SHARE:
            control, target = random.permutation(QUBITS)[:2].tolist()
            gates.append(Gate("cx", (control, target)))
        else:
            name = str(random.choice(["rx", "ry", "rz"]))
            gates.append(Gate(name, (int(random.integers(QUBITS)),), random.uniform(0, 2 * pi)))
            rotations += 1
    return Circuit(QUBITS, tuple(gates))


class Quanvolution(torch.nn.Module):
    """From images (batch, 1, height, width) in [0, 1] to ``<Z>`` of four qubits for each patch of two by two pixels.

    That is four channels of half the height and width, by the state-vector engine in complex64.
    """

    def __init__(self, seed: int, device: str) -> None:
        super().__init__()
        self.circuit = draw_filter(seed)
        self._simulator = Simulator(self.circuit, "single", device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, 4, height / 2, width / 2)."""
        return self.arrange(torch.from_numpy(self._simulator.expectations(self.patches(images).cpu())), images)

    def patches(self, images: torch.Tensor) -> torch.Tensor:
        """The angles, (batch * patches, 4)."""
        return pi * torch.nn.functional.unfold(images, 2, stride=2).transpose(1, 2).reshape(-1, QUBITS)

    def arrange(self, values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Values (batch * patches, 4) as channels of an image."""
        batch, _, height, width = images.shape
        return values.to(images).view(batch, height // 2, width // 2, QUBITS).permute(0, 3, 1, 2).contiguous()


class QuanvolutionReference(torch.nn.Module):
    """A `Quanvolution` by textbook gates one at a time in complex128."""

    def __init__(self, filter_: Quanvolution) -> None:
        super().__init__()
        self._filter = filter_

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """As `Quanvolution`, in float64."""
        return self._filter.arrange(_simulate(self._filter.circuit, self._filter.patches(images)), images)


def _simulate(circuit: Circuit, angles: torch.Tensor) -> torch.Tensor:
    values = [expectations(simulate(circuit, sample)) for sample in angles.double().cpu().numpy()]
    return torch.stack(values).to(angles.device)
