"""Kernel ``qcnn_layer``: one training evaluation of a quantum convolutional network, batch in, value and gradient out.

The loss is ``sum_i (y_i - f(x_i))^2 / 2N`` over the batch of N samples; the gradient is with respect to the weights.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from kernels.api import Backend, Kernel
from kernels.communication.process_group import local_device
from kernels.declaring import check_shares, growing, imported
from kernels.quantum.availability import cpu_peer_missing, torch_missing
from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.qcnn_workload import Answer, QcnnLayer, QcnnLayerParameters

if TYPE_CHECKING:
    import torch


class TorchQcnnLayer(QcnnLayer):
    """Ours: `qcnn.module.QCNN` and torch's reverse mode."""

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import torch

        from kernels.quantum.qcnn.module import QCNN

        place = local_device(comm, device)
        self._network = QCNN(parameters.qubits, parameters.precision, encoding=parameters.encoding).to(place)
        weights = self._network.weights
        with torch.no_grad():
            weights.copy_(torch.from_numpy(self.weights))
        weights.requires_grad_(parameters.gradient)
        # the check must see what the network sees: rounded to its precision
        self.weights = _to_numpy(weights)
        self._inputs, self._labels = (torch.from_numpy(array).to(weights) for array in (self.inputs, self.labels))
        self.inputs = _to_numpy(self._inputs)

    def evaluate(self) -> Answer:
        """Forward and backward."""
        import torch

        values = self._network(self._inputs)
        loss = (self._labels - values).square().sum() / (2 * self.parameters.batch)
        # the results come back to the host, which waits for the device
        if not self.parameters.gradient:
            return Answer(_to_numpy(values), loss.item())
        (gradient,) = torch.autograd.grad(loss, [self._network.weights])
        return Answer(_to_numpy(values), loss.item(), _to_numpy(gradient))


def _to_numpy(tensor: torch.Tensor) -> Reals:
    return tensor.detach().cpu().double().numpy()


_PEERS = "kernels.quantum.qcnn_peers"

KERNEL = Kernel(
    name="qcnn_layer",
    version=1,
    summary="quantum convolutional network: batch in, values and gradient of the weights out",
    parameters=QcnnLayerParameters,
    backends={
        "torch": Backend(
            "ours: two-qubit units, compiled, a sample a SIMD lane; on GPUs dense blocks", TorchQcnnLayer, torch_missing
        ),
        "lightning": Backend(
            "PennyLane lightning.qubit, adjoint differentiation",
            imported(f"{_PEERS}:LightningQcnnLayer"),
            cpu_peer_missing("pennylane", "pennylane_lightning"),
        ),
        "pennylane-torch": Backend(
            "PennyLane default.qubit on torch, broadcast, backpropagation",
            imported(f"{_PEERS}:PennyLaneQcnnLayer"),
            cpu_peer_missing("pennylane"),
        ),
        "tensorcircuit": Backend(
            "tensorcircuit-ng on torch, vmap over samples",
            imported(f"{_PEERS}:TensorCircuitQcnnLayer"),
            cpu_peer_missing("tensorcircuit"),
        ),
        "estimator-qnn": Backend(
            "qiskit-machine-learning EstimatorQNN, parameter shifts; minutes where batch is large",
            imported(f"{_PEERS}:EstimatorQcnnLayer"),
            cpu_peer_missing("qiskit", "qiskit_machine_learning"),
            takes={"precision": ("double",)},
        ),
    },
    reference="torch",
    scaling="strong: the batch is divided over the ranks; weak: every rank has batch samples",
    grow=growing("batch"),
    check=partial(check_shares, "qcnn_layer", "batch"),
)
