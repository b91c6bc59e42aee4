"""Kernel ``qcnn_layer``: one training evaluation of a quantum convolutional network, batch in, value and gradient out.

The loss is ``sum_i (y_i - f(x_i))^2 / 2N`` over the batch of N samples; the gradient is with respect to the weights.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import combinations
from math import ceil, log2, pi
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from kernels.api import Backend, Check, InputError, Kernel, Parameters, Work, Workload, divide
from kernels.communication.process_group import local_device
from kernels.quantum.availability import cpu_peer_missing, torch_missing

if TYPE_CHECKING:
    import torch

_TOLERANCES = {"single": 1e-5, "double": 1e-10}

# the parameter-shift reference is slow: it checks all weights, or as many as cost so many amplitudes times units
_CHECKED_AMPLITUDES = 1 << 23


class QcnnLayerParameters(Parameters, frozen=True):
    """The network's width and the batch it sees."""

    qubits: Annotated[int, Meta(ge=2, le=12, description="qubits, one for each input; 8 make 63 weights")] = 8
    batch: Annotated[int, Meta(ge=1, description="samples, over all ranks")] = 64
    precision: Annotated[Literal["single", "double"], Meta(description="complex64 or complex128")] = "single"
    seed: Annotated[int, Meta(ge=0, description="seed of inputs, labels and weights")] = 0


class QcnnLayer(Workload):
    """The rank's share of the batch; a backend says how values and gradient come about.

    Inputs are uniform in [0, pi), labels -1 or 1, weights uniform in [0, 2 pi).
    """

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from kernels.quantum.qcnn import layer_units

        random = np.random.default_rng(parameters.seed)
        divided = divide(parameters.batch, comm.size, comm.rank)
        share = slice(divided.start, divided.stop)
        self.inputs = random.uniform(0, pi, (parameters.batch, parameters.qubits))[share]
        self.labels = random.choice([-1.0, 1.0], parameters.batch)[share]
        self.weights = random.uniform(0, 2 * pi, 3 * len(layer_units(parameters.qubits)))
        self.values: NDArray[np.float64] = np.full(len(self.inputs), np.nan)
        # the loss, then its gradient: one message
        self.result = np.full(1 + len(self.weights), np.nan)

    def step(self) -> None:
        """Values and gradient of the share, then their sum over the ranks."""
        self.values, loss, gradient = self.evaluate()
        self.result[0], self.result[1:] = loss, gradient
        if self.comm.size > 1:
            from mpi4py import MPI

            self.comm.Allreduce(MPI.IN_PLACE, self.result)

    @abstractmethod
    def evaluate(self) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """The share's values (samples,), its part of the loss, and that part's gradient (weights,), in float64."""

    def verify(self) -> Check:
        """Compare values and gradient with NumPy in complex128 and the parameter-shift rule.

        Where the problem is large, the gradient is compared in evenly spaced weights only.
        """
        from kernels.quantum import qcnn_reference as reference

        count = len(self.weights)
        cost = (count // 3 * self.parameters.batch) << self.parameters.qubits
        which = np.linspace(0, count - 1, max(1, min(count, _CHECKED_AMPLITUDES // cost))).astype(int)
        residuals = self.labels - reference.values(self.weights, self.inputs)
        slopes = reference.derivatives(self.weights, self.inputs, which.tolist())
        right = np.append(residuals @ residuals / 2, -slopes @ residuals) / self.parameters.batch
        right = np.sum(self.comm.allgather(right), axis=0)
        errors = np.append(self.labels - residuals - self.values, self.result[[0, *(1 + which)]] - right)
        return Check(
            error=float(np.max(self.comm.allgather(np.abs(errors).max()))),
            tolerance=_TOLERANCES[self.parameters.precision],
            reference="largest error of values, loss and gradient, against complex128 and the parameter-shift rule",
        )

    def work(self) -> Work:
        """Counted on `kernels.quantum.qcnn.QCNN`: dense blocks of k qubits on every sample's 2**n amplitudes.

        A block's product takes 8 * 2**k flops an amplitude: once forward and twice backward, for the gradients of the
        state and of the matrix; the first block's state needs none. Each product moves two states' worth of memory,
        one sample after another if need be.
        The encoding takes two flops for each of n (n + 1) / 2 phases. The sum over p ranks sends 2 (p - 1) / p of the
        message (Rabenseifner's algorithm).
        """
        from kernels.quantum.qcnn import QCNN

        network, ranks = QCNN(self.parameters.qubits), self.comm.size
        blocks, block_qubits = network.block_count, network.block_qubits
        samples = len(divide(self.parameters.batch, ranks, 0))
        amplitudes = samples << self.parameters.qubits
        amplitude_bytes = 8 if self.parameters.precision == "single" else 16
        phases = self.parameters.qubits * (self.parameters.qubits + 1) // 2
        return Work(
            items=self.parameters.batch,
            item="sample",
            flops=float(amplitudes * (8 * (3 * blocks - 1) * 2**block_qubits + 2 * phases)),
            dtype="float32" if self.parameters.precision == "single" else "float64",
            memory_bytes=float(amplitudes * amplitude_bytes * 2 * (3 * blocks - 1)),
            working_set_bytes=float(amplitude_bytes << self.parameters.qubits),
            sent_bytes=2 * (ranks - 1) / ranks * self.result.nbytes,
            messages=2 * ceil(log2(ranks)),
        )


class TorchQcnnLayer(QcnnLayer):
    """Ours: `kernels.quantum.qcnn.QCNN` and torch's reverse mode."""

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import torch

        from kernels.quantum.qcnn import QCNN

        place = local_device(comm, device)
        self._network = QCNN(parameters.qubits, parameters.precision).to(place)
        weights = self._network.weights
        with torch.no_grad():
            weights.copy_(torch.from_numpy(self.weights))
        # the check must see what the network sees: rounded to its precision
        self.weights = _to_numpy(weights)
        self._inputs, self._labels = (torch.from_numpy(array).to(weights) for array in (self.inputs, self.labels))
        self.inputs = _to_numpy(self._inputs)

    def evaluate(self) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Forward and backward."""
        import torch

        values = self._network(self._inputs)
        loss = (self._labels - values).square().sum() / (2 * self.parameters.batch)
        (gradient,) = torch.autograd.grad(loss, [self._network.weights])
        # the results come back to the host, which waits for the device
        return _to_numpy(values), loss.item(), _to_numpy(gradient)


class LightningQcnnLayer(QcnnLayer):
    """PennyLane's lightning.qubit with adjoint differentiation, values and derivatives in one call.

    Diagonal gates replace the feature map's CNOTs, and the tapes are built before the clock starts: both favour it.
    """

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import pennylane as qml
        from pennylane.devices import ExecutionConfig

        complex_type = np.complex64 if parameters.precision == "single" else np.complex128
        self._device = qml.device("lightning.qubit", wires=parameters.qubits, c_dtype=complex_type)
        readout = [qml.expval(qml.Z(parameters.qubits - 1))]
        network, trainable = _lightning_network(self.weights, parameters.qubits)
        self._tapes = [
            qml.tape.QuantumScript([*_lightning_encoding(sample), *network], readout, trainable_params=trainable)
            for sample in self.inputs
        ]
        self._config = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)

    def evaluate(self) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """All tapes, one after another."""
        values, slopes = self._device.execute_and_compute_derivatives(self._tapes, self._config)
        answers = np.array(values, dtype=np.float64)
        residuals = self.labels - answers
        gradient = -residuals @ np.array(slopes, dtype=np.float64) / self.parameters.batch
        return answers, residuals @ residuals / (2 * self.parameters.batch), gradient


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


def _lightning_encoding(sample: NDArray[np.float64]) -> list[Any]:
    """The ZZ feature map; IsingZZ is, up to a global phase, a phase on the parity of a pair."""
    import pennylane as qml

    qubits = range(len(sample))
    pairs = [qml.IsingZZ(2 * (pi - sample[i]) * (pi - sample[j]), (i, j)) for i, j in combinations(qubits, 2)]
    return [*map(qml.Hadamard, qubits), *(qml.PhaseShift(2 * sample[i], i) for i in qubits), *pairs]


def _lightning_network(weights: NDArray[np.float64], qubits: int) -> tuple[list[Any], list[int]]:
    """The units' gates, and the places of the weights among the parameters of a tape that begins with the encoding."""
    import pennylane as qml

    from kernels.quantum.qcnn import layer_units

    gates: list[Any] = []
    trainable: list[int] = []
    place = qubits * (qubits + 1) // 2
    for (pools, a, b), (first, second, third) in zip(layer_units(qubits), weights.reshape(-1, 3), strict=True):
        gates += [qml.RZ(-pi / 2, b), qml.CNOT((b, a)), qml.RZ(first, a), qml.RY(second, b)]
        gates += [qml.CNOT((a, b)), qml.RY(third, b)]
        # the unit's own quarter turns are parameters too, to PennyLane
        trainable += [place + 1, place + 2, place + 3]
        place += 4
        if not pools:
            gates += [qml.CNOT((b, a)), qml.RZ(pi / 2, a)]
            place += 1
    return gates, trainable


def _grow(parameters: QcnnLayerParameters, ranks: int) -> QcnnLayerParameters:
    return msgspec.structs.replace(parameters, batch=parameters.batch * ranks)


def _check(parameters: QcnnLayerParameters, ranks: int) -> None:
    if parameters.batch < ranks:
        raise InputError(
            f"kernel qcnn_layer: parameter batch: {parameters.batch} samples cannot be divided over {ranks} ranks; "
            f"right would be batch={ranks} or more"
        )


KERNEL = Kernel(
    name="qcnn_layer",
    version=1,
    summary="quantum convolutional network with ZZ encoding: batch in, values and gradient of the weights out",
    parameters=QcnnLayerParameters,
    backends={
        "torch": Backend("ours: gates fused into dense blocks, batched over samples", TorchQcnnLayer, torch_missing),
        "lightning": Backend(
            "PennyLane lightning.qubit, adjoint differentiation",
            LightningQcnnLayer,
            cpu_peer_missing("pennylane", "pennylane_lightning"),
        ),
    },
    reference="torch",
    scaling="strong: the batch is divided over the ranks; weak: every rank has batch samples",
    grow=_grow,
    check=_check,
)
