"""The workloads of kernel ``material_identification`` without networks: boosted trees and a response surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.api import Check, Work, divide
from kernels.communication.allreduce import optimal_traffic
from kernels.training.identification.data import Samples
from kernels.training.identification.surface import RIDGES, ResponseSurface, predict_term_by_term, products
from kernels.training.identification.trees import Forests, walk
from kernels.training.identification.workload import CHECKED, Identification
from kernels.training.network import HEADS
from kernels.training.sides import relative_error


class TreesIdentification(Identification):
    """Gradient-boosted trees; the labels are divided over the ranks."""

    def step(self) -> None:
        """Grow this rank's forests, and share what they predict."""
        self.forests = Forests(
            self.parameters.trees, self.parameters.seed, divide(len(HEADS), self.comm.size, self.comm.rank)
        )
        self.forests.fit(self.parts.training)
        parts = self.comm.allgather(self.forests.predict(self.parts.test))
        self.outputs = np.concatenate(parts, axis=1).astype(np.float32)

    def verify(self) -> Check:
        """Relative error, in the 2-norm, of some outputs against a walk down every tree in float64."""
        rows = self.parts.test.components[:CHECKED].double().numpy()
        errors = [
            relative_error(self.outputs[:CHECKED, label], walk(model, rows))
            for label, model in zip(self.forests.labels, self.forests.models, strict=True)
        ]
        return Check(
            error=max(self.comm.allgather(max(errors, default=0.0))),
            tolerance=1e-6,
            reference="a walk down every tree, node by node, in float64",
        )

    def work(self) -> Work:
        """Records of all trees; operations are not counted, since how trees grow depends on the data."""
        return Work(items=len(self.parts.training.targets) * self.parameters.trees * len(HEADS), item="sample")


class SurfaceIdentification(Identification):
    """A quadratic response surface; the records are divided over the ranks."""

    def step(self) -> None:
        """Fit, choose how smooth, and predict."""
        self.surface = ResponseSurface(2, *self._known(self.parts.training), self.comm)
        self.surface.choose(*self._known(self.parts.validation))
        self.outputs = self.surface.predict(self._known(self.parts.test)[0]).astype(np.float32)

    def _known(self, samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return samples.components.double().numpy(), samples.targets.double().numpy()

    def verify(self) -> Check:
        """Relative errors, in the 2-norm: of some outputs, and the gradient of the fit beside its right-hand side."""
        components, targets = self._known(self.parts.training)
        rows = self._known(self.parts.test)[0][:CHECKED]
        slope = self.surface.gradient(components, targets)
        errors = [
            relative_error(self.outputs[:CHECKED], predict_term_by_term(self.surface, rows)),
            float(np.linalg.norm(slope) / np.linalg.norm(products(components, 2).T @ targets)),
        ]
        return Check(
            error=max(errors),
            tolerance=1e-6,
            reference="term by term in extended precision, and the gradient of the squares",
        )

    def work(self) -> Work:
        """Of the rank with the largest share: t(t + 1) a record for the normal matrix of t terms, 2/3 t³ a solution.

        Products of components, right-hand sides and predictions are left out. Ranks sum a matrix of t² numbers.
        """
        count, components = self.parts.training.components.shape
        # the first with the least ridge, and each of all
        terms, solutions = (components + 1) * (components + 2) // 2, 1 + len(RIDGES)
        sent, messages = optimal_traffic(8 * terms**2, self.comm.size)
        return Work(
            items=count,
            item="sample",
            flops=len(divide(count, self.comm.size, 0)) * terms * (terms + 1.0) + solutions * 2 / 3 * terms**3,
            sent_bytes=sent,
            messages=messages,
        )
