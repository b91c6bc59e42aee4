"""What every backend of ``qcnn_layer`` shares: the parameters, inputs and weights, the check and the counted work."""

from __future__ import annotations

from abc import abstractmethod
from math import ceil, log2, pi
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from msgspec import Meta

from kernels.api import Check, Parameters, Work, Workload, divide
from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.circuits.precisions import PRECISIONS
from kernels.quantum.circuits.qcnn_units import count_flops, layer_units

_TOLERANCES = {"single": 1e-5, "double": 1e-10}

# the parameter-shift reference is slow: it checks all weights, or as many as cost so many amplitudes times units
_CHECKED_AMPLITUDES = 1 << 23


class QcnnLayerParameters(Parameters, frozen=True):
    """The network's width and the batch it sees."""

    qubits: Annotated[int, Meta(ge=2, le=12, description="qubits, one for each input; 8 make 63 weights")] = 8
    encoding: Annotated[
        Literal["zz", "z"], Meta(description="feature map: phases of inputs and of their pairs, or of inputs alone")
    ] = "zz"
    batch: Annotated[int, Meta(ge=1, description="samples, over all ranks; estimator-qnn: 8 or fewer")] = 64
    gradient: Annotated[bool, Meta(description="values and gradient of the weights, or values alone")] = True
    precision: Annotated[Literal["single", "double"], Meta(description="complex64 or complex128")] = "single"
    seed: Annotated[int, Meta(ge=0, description="seed of inputs, labels and weights")] = 0


class Answer(NamedTuple):
    """Values (samples,), their part of the loss, and that part's gradient (weights,) or None; float64."""

    values: Reals
    loss: float
    gradient: Reals | None = None


class QcnnLayer(Workload):
    """The rank's share of the batch; a backend says how values and gradient come about.

    Inputs are uniform in [0, pi), labels -1 or 1, weights uniform in [0, 2 pi).
    """

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        random = np.random.default_rng(parameters.seed)
        divided = divide(parameters.batch, comm.size, comm.rank)
        share = slice(divided.start, divided.stop)
        self.inputs = random.uniform(0, pi, (parameters.batch, parameters.qubits))[share]
        self.labels = random.choice([-1.0, 1.0], parameters.batch)[share]
        self.weights = random.uniform(0, 2 * pi, 3 * len(layer_units(parameters.qubits)))
        self.values: Reals = np.full(len(self.inputs), np.nan)
        # the loss, then its gradient: one message
        self.result = np.full(1 + len(self.weights) * parameters.gradient, np.nan)

    def step(self) -> None:
        """Values, loss and gradient of the share, then the sum of the last two over the ranks."""
        self.values, self.result[0], gradient = self.evaluate()
        if gradient is not None:
            self.result[1:] = gradient
        if self.comm.size > 1:
            from mpi4py import MPI

            self.comm.Allreduce(MPI.IN_PLACE, self.result)

    @abstractmethod
    def evaluate(self) -> Answer:
        """The share's answer, with a gradient if the parameters ask for one."""

    def answer(self, values: Reals, slopes: Reals | None = None) -> Answer:
        """From values (samples,) and derivatives (samples, weights)."""
        residuals = self.labels - values
        gradient = None if slopes is None else -residuals @ slopes / self.parameters.batch
        return Answer(values, residuals @ residuals / (2 * self.parameters.batch), gradient)

    def verify(self) -> Check:
        """Compare values and gradient with NumPy in complex128 and the parameter-shift rule.

        Where the problem is large, the gradient is compared in evenly spaced weights only.
        """
        from kernels.quantum.qcnn import reference

        encoding = self.parameters.encoding
        right = self.answer(reference.values(self.weights, self.inputs, encoding))
        result, found = np.array([right.loss]), self.result[:1]
        if self.parameters.gradient:
            count = len(self.weights)
            cost = (count // 3 * self.parameters.batch) << self.parameters.qubits
            which = np.linspace(0, count - 1, max(1, min(count, _CHECKED_AMPLITUDES // cost))).astype(int)
            slopes = reference.derivatives(self.weights, self.inputs, which.tolist(), encoding)
            result = np.append(result, -(self.labels - right.values) @ slopes.T / self.parameters.batch)
            found = self.result[[0, *(1 + which)]]
        errors = np.append(right.values - self.values, found - np.sum(self.comm.allgather(result), axis=0))
        return Check(
            error=float(np.max(self.comm.allgather(np.abs(errors).max()))),
            tolerance=_TOLERANCES[self.parameters.precision],
            reference="largest error of values, loss and gradient, against complex128 and the parameter-shift rule",
        )

    def work(self) -> Work:
        """Counted by `circuits.qcnn_units.count_flops`, on every sample's 2**n amplitudes.

        The encoding takes two flops for each phase, n (n + 1) / 2 of ZZ and n of Z. It writes the states, which the
        network reads once, one sample after another if need be; for the gradient the final states are kept. The sum
        over p ranks sends 2 (p - 1) / p of the message (Rabenseifner's algorithm).
        """
        qubits, ranks = self.parameters.qubits, self.comm.size
        samples = len(divide(self.parameters.batch, ranks, 0))
        amplitude_bytes, real = PRECISIONS[self.parameters.precision]
        phases = qubits * (qubits + 1) // 2 if self.parameters.encoding == "zz" else qubits
        flops = count_flops(len(layer_units(qubits)), qubits, samples, self.parameters.gradient)
        flops += 2 * phases * samples << qubits
        passes = 4 if self.parameters.gradient else 2
        return Work(
            items=self.parameters.batch,
            item="sample",
            flops=float(flops),
            dtype=real,
            memory_bytes=float(passes * samples * amplitude_bytes << qubits),
            working_set_bytes=float(amplitude_bytes << qubits),
            sent_bytes=2 * (ranks - 1) / ranks * self.result.nbytes,
            messages=2 * ceil(log2(ranks)),
        )
