"""The workload of kernel ``quantum_images``: training runs, one for each seed."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.communication.process_group import local_device
from kernels.quantum.qcnn.module import QCNN
from kernels.quantum.studies.image_networks import Classifier, Convolutional, count_weights, into_reference
from kernels.quantum.studies.image_training import History, Study, mean_loss
from kernels.quantum.studies.quality import seed_figures, time_figures

if TYPE_CHECKING:
    from kernels.quantum.studies.quantum_images import QuantumImagesParameters

# float32 outputs, beside the largest of them
_TOLERANCE = 2e-5
_CHECKED_IMAGES = 32


class QuantumImages(Workload):
    """The rank's share of the seeds, each trained from scratch in every step."""

    parameters: QuantumImagesParameters

    def __init__(self, parameters: QuantumImagesParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.study = Study(parameters, local_device(comm, device))
        self.seeds = [parameters.seed + index for index in divide(parameters.seeds, comm.size, comm.rank)]
        self.networks: list[Classifier] = []
        self.histories: list[History] = []

    def step(self) -> None:
        """Make, train and test the network of each seed of the share, one after another."""
        self.networks = [self.study.make(seed) for seed in self.seeds]
        pairs = zip(self.networks, self.seeds, strict=True)
        self.histories = [self.study.train(network, seed) for network, seed in pairs]

    def verify(self) -> Check:
        """The outputs of the share's trained networks for some test images, against the same networks in float64.

        There circuits are textbook gates one at a time in complex128. The error is that of the outputs beside the
        largest of them.
        """
        errors = [self._error(network, seed) for network, seed in zip(self.networks, self.seeds, strict=True)]
        return Check(
            error=float(np.max(self.comm.allgather(np.max(errors)))),
            tolerance=_TOLERANCE,
            reference="largest error of the outputs, against float64 and gate-by-gate textbook matrices in complex128",
        )

    def figures(self, step_s: float) -> list[Figure]:
        """How good over the seeds, and how long until good enough."""
        histories = [history for share in self.comm.allgather(self.histories) for history in share]
        curves = [history.curve for history in histories]
        return [
            *seed_figures("accuracy", [history.accuracy for history in histories], better="higher"),
            *seed_figures("training loss", [curve.losses[-1] for curve in curves], better="lower"),
            Figure(name="weights", value=count_weights(self.networks[0])),
            *time_figures("epochs", curves, self.parameters.target_loss),
        ]

    def work(self) -> Work:
        """Of the rank with most seeds: matrix products and convolutions, forward and backward, counted from shapes.

        A product of (m, k) and (k, n) takes 2 m k n flops and a convolution as many as its matrix product (torch's own
        count); for the QCNN see its `count_flops`. What is encoded once, activations, loss and Adam are left out.
        """
        network, batch = self.networks[0], self.parameters.batch
        images, _ = self.study.split(self.seeds[0])
        steps = self.parameters.epochs * ceil(len(images.labels) / batch)
        features = self.study.encode(network, images)[:batch]
        labels = torch.from_numpy(images.labels[:batch]).to(features.device)
        if isinstance(network, Convolutional) and isinstance(network.circuit, QCNN):
            flops = network.circuit.count_flops(len(features), gradient=True)
        else:
            with FlopCounterMode(display=False) as counter:
                mean_loss(network(features), labels).backward()
            flops = counter.get_total_flops()
        seeds = len(divide(self.parameters.seeds, self.comm.size, 0))
        return Work(
            items=self.parameters.seeds * self.parameters.epochs * len(images.labels),
            item="sample",
            flops=float(flops * steps * seeds),
        )

    def _error(self, network: Classifier, seed: int) -> float:
        twin = self.study.make(seed)
        twin.load_state_dict(network.state_dict())
        _, tests = self.study.split(seed)
        some = tests.take(np.arange(len(tests.labels))[: max(1, _CHECKED_IMAGES // len(self.seeds))])
        right = self.study.predict(into_reference(twin), some, torch.float64)
        return float((self.study.predict(network, some) - right).abs().max() / right.abs().max())
