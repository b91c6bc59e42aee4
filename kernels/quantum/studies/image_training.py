"""Training runs of the image studies: what is trained on, how, and what is noted of it."""

from __future__ import annotations

import copy
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kernels.quantum.studies.image_networks import (
    ClassicalConvolutional,
    ClassicalQuanvolved,
    Classifier,
    Convolutional,
    Quanvolved,
    Transfer,
    make_extractor,
)
from kernels.quantum.studies.images import Images, load_images, split
from kernels.quantum.studies.quality import Curve

if TYPE_CHECKING:
    from kernels.quantum.studies.quantum_images import QuantumImagesParameters

# CIFAR-10's cats and dogs, as in the thesis; of the digits, two that resemble each other
PAIR = (3, 5)
_OTHERS = tuple(label for label in range(10) if label not in PAIR)
_TEST_SHARE = 0.3
_PRETRAINING_BATCH = 32
_PRETRAINING_RATE = 3e-3


class History(NamedTuple):
    """Of one training run: its mean training losses epoch by epoch, and then its accuracy on the test images."""

    curve: Curve
    accuracy: float


class Study:
    """The data of one study, and how to make and train its networks.

    Transfer and QCNN tell two classes apart, the quanvolution ten. The transfer study's extractor has learnt the other
    eight classes here, once, and is frozen.
    """

    def __init__(self, parameters: QuantumImagesParameters, device: torch.device) -> None:
        self.parameters = parameters
        self.device = device
        everything = load_images(parameters.data)
        self.images = everything if parameters.study == "quanvolution" else everything.of_classes(PAIR)
        self._extractor = self._pretrain(everything.of_classes(_OTHERS)) if parameters.study == "transfer" else None

    def split(self, seed: int) -> tuple[Images, Images]:
        """Training and test images of a seed, the same for both kinds of network."""
        return split(self.images, self.parameters.samples, _TEST_SHARE, seed)

    def make(self, seed: int) -> Classifier:
        """The untrained network of a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._make(seed).to(self.device)

    def _make(self, seed: int) -> Classifier:
        quantum = self.parameters.network == "quantum"
        if self.parameters.study == "qcnn":
            return Convolutional() if quantum else ClassicalConvolutional()
        if self._extractor is not None:
            return Transfer(self.parameters.network, copy.deepcopy(self._extractor))
        height, width = self.images.pixels.shape[2:]
        return Quanvolved((height, width), seed, str(self.device)) if quantum else ClassicalQuanvolved((height, width))

    def train(self, network: Classifier, seed: int) -> History:
        """Encode the training images once, then Adam in batches whose order the seed draws, the same for both kinds."""
        images, tests = self.split(seed)
        begin = perf_counter()
        features, targets = self.encode(network, images), torch.from_numpy(images.labels).to(self.device)
        curve = Curve([], [])
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(trained, self.parameters.learning_rate, fused=True)
        random = np.random.default_rng(seed)
        for _ in range(self.parameters.epochs):
            order = torch.from_numpy(random.permutation(len(targets))).to(self.device)
            total = train_epoch(network, optimizer, features, targets, order.split(self.parameters.batch))
            curve.losses.append(total / len(targets))
            curve.seconds.append(perf_counter() - begin)
        return History(curve, self._accuracy(network, tests))

    def predict(self, network: Classifier, images: Images, dtype: torch.dtype = torch.float32) -> Tensor:
        """The outputs for some images, whose pixels the network wants in ``dtype``."""
        with torch.no_grad():
            return network(self.encode(network, images, dtype))

    def encode(self, network: Classifier, images: Images, dtype: torch.dtype = torch.float32) -> Tensor:
        """What the network's first half makes of some images."""
        with torch.no_grad():
            return network.encode(torch.from_numpy(images.pixels).to(self.device, dtype))

    def _accuracy(self, network: Classifier, images: Images) -> float:
        outputs = self.predict(network, images).cpu()
        decisions = outputs.argmax(dim=1) if outputs.dim() == 2 else outputs > 0
        return float((decisions == torch.from_numpy(images.labels)).double().mean())

    def _pretrain(self, others: Images) -> nn.Module:
        """An extractor that has learnt to tell the other classes apart, frozen."""
        (pixels, labels), _ = split(others, len(others.labels), 0.0, self.parameters.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.parameters.seed)
            extractor = make_extractor(pixels.shape[1])
            network = nn.Sequential(extractor, nn.Linear(32, len(_OTHERS))).to(self.device)
            optimizer = torch.optim.Adam(network.parameters(), _PRETRAINING_RATE, fused=True)
            images, targets = (torch.from_numpy(array).to(self.device) for array in (pixels, labels))
            for _ in range(self.parameters.pretraining_epochs):
                order = torch.randperm(len(targets)).to(self.device)
                train_epoch(network, optimizer, images, targets, order.split(_PRETRAINING_BATCH))
        return extractor.requires_grad_(False)


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, features: Tensor, targets: Tensor, batches: tuple[Tensor, ...]
) -> float:
    """One step for each batch, given as places; returns the sum of the samples' losses as they were met."""
    total = 0.0
    for batch in batches:
        optimizer.zero_grad()
        loss = mean_loss(network(features[batch]), targets[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    return total


def mean_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of outputs (batch, classes), or ``sum (y - f)^2 / 2N`` of f (batch,) and y = -1, 1."""
    if outputs.dim() == 2:
        return nn.functional.cross_entropy(outputs, labels)
    return (outputs - (2 * labels - 1)).square().mean() / 2
