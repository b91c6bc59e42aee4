"""The networks of the image studies: three with a circuit inside, and for each a classical one with as many weights.

Every network has two halves. ``encode`` is what training does not change, so it is done once for all images;
``forward`` goes from there to outputs: (batch, classes) for a softmax, or (batch,) in [-1, 1] whose sign decides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from kernels.quantum.qcnn import reference as qcnn_reference
from kernels.quantum.qcnn.module import QCNN
from kernels.quantum.studies.image_circuits import (
    QUBITS,
    DressedCircuit,
    DressedReference,
    Quanvolution,
    QuanvolutionReference,
)

Kind = Literal["quantum", "classical"]

# layers of the transfer study's circuit, as in PennyLane's tutorial
_DEPTH = 6
_FEATURES = 32
_QCNN_QUBITS = 8


class Classifier(nn.Module, ABC):
    """A network in two halves."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """What training does not change, from images (batch, channels, height, width)."""


class Transfer(Classifier):
    """A frozen extractor, four angles, a circuit of 24 weights or two layers of 24 weights, two classes.

    After Mari et al., Quantum 4, 340 (2020): linear to four, tanh times pi / 2, the circuit, linear to the classes.
    """

    def __init__(self, kind: Kind, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor
        self.reduce = nn.Linear(_FEATURES, QUBITS)
        hidden = _DEPTH // 2
        self.block = (
            DressedCircuit(_DEPTH)
            if kind == "quantum"
            else nn.Sequential(
                nn.Linear(QUBITS, hidden, bias=False), nn.Tanh(), nn.Linear(hidden, QUBITS, bias=False), nn.Tanh()
            )
        )
        self.classify = nn.Linear(QUBITS, 2)

    def encode(self, images: Tensor) -> Tensor:
        """What the extractor makes of the images, (batch, 32)."""
        return self.extractor(images)

    def forward(self, features: Tensor) -> Tensor:
        return self.classify(self.block(torch.tanh(self.reduce(features)) * (torch.pi / 2)))


def make_extractor(channels: int) -> nn.Sequential:
    """A small convolutional network with 32 outputs, for images of 8 by 8 pixels or more."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, _FEATURES),
        nn.ReLU(),
    )


class Quanvolved(Classifier):
    """A random circuit as a frozen filter from two by two pixels to four channels, a convolution, ten classes."""

    def __init__(self, shape: tuple[int, int], seed: int, device: str) -> None:
        super().__init__()
        self.filter = Quanvolution(seed, device)
        self.network = _make_classifier(shape, bias=True)

    def encode(self, images: Tensor) -> Tensor:
        """Four channels of half the height and width."""
        return self.filter(_grey(images))

    def forward(self, features: Tensor) -> Tensor:
        return self.network(features)


class ClassicalQuanvolved(Classifier):
    """The same with a filter that is learnt, as in any convolutional network, and tanh; without biases.

    The biases left out are two more than the filter's sixteen weights, so the networks are but for two as large.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        filter_ = nn.Conv2d(1, 4, 2, stride=2, bias=False)
        self.network = nn.Sequential(filter_, nn.Tanh(), _make_classifier(shape, bias=False))

    def encode(self, images: Tensor) -> Tensor:
        """The images in grey."""
        return _grey(images)

    def forward(self, features: Tensor) -> Tensor:
        return self.network(features)


def _grey(images: Tensor) -> Tensor:
    return images.mean(dim=1, keepdim=True)


def _make_classifier(shape: tuple[int, int], bias: bool) -> nn.Sequential:
    """From four channels of half an image's height and width to ten classes."""
    height, width = shape
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * (height // 4) * (width // 4), 10, bias=bias),
    )


def block_means(images: Tensor) -> Tensor:
    """Images (batch, channels, height, width) as eight angles: the means of four by two blocks, in [0, pi / 2]."""
    means = nn.functional.adaptive_avg_pool2d(_grey(images), (4, 2))
    return means.flatten(1) * (torch.pi / 2)


class Convolutional(Classifier):
    """Nothing but a circuit: eight block means into the QCNN of eight qubits and 63 weights, read as ``<Z>``."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit: QCNN | QcnnReference = QCNN(_QCNN_QUBITS)

    def encode(self, images: Tensor) -> Tensor:
        """The encoded states, complex (batch, 256)."""
        return self.circuit.encode(block_means(images))

    def forward(self, states: Tensor) -> Tensor:
        return self.circuit.read(states)


class ClassicalConvolutional(Classifier):
    """The same eight means into two convolutions along them, 63 weights, tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv1d(1, 2, 3, padding=1),
            nn.Tanh(),
            nn.AvgPool1d(2),
            nn.Conv1d(2, 6, 3, padding=1),
            nn.Tanh(),
            nn.AvgPool1d(2),
            nn.Flatten(),
            nn.Linear(12, 1),
            nn.Tanh(),
            nn.Flatten(0),
        )

    def encode(self, images: Tensor) -> Tensor:
        """The means, (batch, 8)."""
        return block_means(images)

    def forward(self, means: Tensor) -> Tensor:
        return self.network(means[:, None])


class QcnnReference(nn.Module):
    """A `QCNN` by textbook gates in complex128."""

    def __init__(self, circuit: QCNN) -> None:
        super().__init__()
        self._weights = circuit.weights.detach().double().cpu().numpy()

    def encode(self, inputs: Tensor) -> Tensor:
        """The inputs as they are."""
        return inputs

    def read(self, inputs: Tensor) -> Tensor:
        """As `QCNN`, in float64."""
        values = qcnn_reference.values(self._weights, np.asarray(inputs.detach().cpu()))
        return torch.from_numpy(values).to(inputs.device)


_REFERENCES = {DressedCircuit: DressedReference, Quanvolution: QuanvolutionReference, QCNN: QcnnReference}


def into_reference(network: Classifier) -> Classifier:
    """The same network, changed in place: float64, its circuit by textbook gates one at a time in complex128."""
    for name, child in network.named_children():
        if type(child) in _REFERENCES:
            setattr(network, name, _REFERENCES[type(child)](child))
    return network.double()


def count_weights(network: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
