"""Other libraries as backends of ``qcnn_layer``, each doing the same work, configured at its best.

What depends on nothing but the inputs, and what a library compiles, is made before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import pi
from typing import Any

import numpy as np
import torch

from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.circuits.circuit import Gate, Parameter
from kernels.quantum.circuits.qcnn_units import layer_units, network_gates
from kernels.quantum.qcnn_workload import Answer, QcnnLayer, QcnnLayerParameters


def gates_of(qubits: int) -> list[Gate]:
    """The network's gates, ``rz``, ``ry`` and ``cx``; parameters are weights."""
    return network_gates(layer_units(qubits))


def encoding_pairs(qubits: int, encoding: str) -> list[tuple[int, int]]:
    """The pairs whose product the encoding turns into a phase."""
    return list(combinations(range(qubits), 2)) if encoding == "zz" else []


class _TorchPeer(QcnnLayer):
    """A library that computes values as a differentiable function of torch's weights and inputs."""

    values_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        real = torch.float32 if parameters.precision == "single" else torch.float64
        self._weights = torch.tensor(self.weights, dtype=real, requires_grad=parameters.gradient)
        self._inputs, self._labels = (torch.from_numpy(array).to(real) for array in (self.inputs, self.labels))
        # the check must see what the library sees: rounded to its precision
        self.weights, self.inputs = self._weights.detach().double().numpy(), self._inputs.double().numpy()

    def evaluate(self) -> Answer:
        """Forward, and backward through torch's tape."""
        values = self.values_of(self._weights, self._inputs)
        loss = (self._labels - values).square().sum() / (2 * self.parameters.batch)
        if not self.parameters.gradient:
            return Answer(values.double().numpy(), loss.item())
        (gradient,) = torch.autograd.grad(loss, [self._weights])
        return Answer(values.detach().double().numpy(), loss.item(), gradient.double().numpy())


class PennyLaneQcnnLayer(_TorchPeer):
    """PennyLane's default.qubit on torch, the batch broadcast through one circuit, backpropagation for the gradient."""

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import pennylane as qml

        qubits, pairs = parameters.qubits, encoding_pairs(parameters.qubits, parameters.encoding)
        gates = gates_of(qubits)

        def circuit(weights: torch.Tensor, inputs: torch.Tensor) -> Any:
            for qubit in range(qubits):
                qml.Hadamard(qubit)
                qml.PhaseShift(2 * inputs[:, qubit], qubit)
            for i, j in pairs:
                qml.IsingZZ(2 * (pi - inputs[:, i]) * (pi - inputs[:, j]), (i, j))
            for name, wires, angle in gates:
                if name == "cx":
                    qml.CNOT(wires)
                else:
                    turn = qml.RZ if name == "rz" else qml.RY
                    turn(weights[angle.place] if isinstance(angle, Parameter) else angle, wires)
            return qml.expval(qml.Z(qubits - 1))

        method = "backprop" if parameters.gradient else None
        self.values_of = qml.QNode(circuit, qml.device("default.qubit", wires=qubits), "torch", diff_method=method)


class TensorCircuitQcnnLayer(_TorchPeer):
    """tensorcircuit-ng on torch, vectorised over samples by ``torch.vmap``."""

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import tensorcircuit

        tensorcircuit.set_backend("pytorch")
        tensorcircuit.set_dtype("complex64" if parameters.precision == "single" else "complex128")
        qubits, pairs = parameters.qubits, encoding_pairs(parameters.qubits, parameters.encoding)
        # a constant that is no tensor would be rounded to single precision
        gates = [
            (name, places, torch.tensor(angle, dtype=self._weights.dtype) if isinstance(angle, float) else angle)
            for name, places, angle in gates_of(qubits)
        ]

        def value(weights: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
            circuit = tensorcircuit.Circuit(qubits)
            for qubit in range(qubits):
                circuit.h(qubit)
                circuit.phase(qubit, theta=2 * sample[qubit])
            for i, j in pairs:
                circuit.rzz(i, j, theta=2 * (pi - sample[i]) * (pi - sample[j]))
            for name, places, angle in gates:
                if name == "cx":
                    circuit.cnot(*places)
                else:
                    theta = weights[angle.place] if isinstance(angle, Parameter) else angle
                    getattr(circuit, name)(*places, theta=theta)
            return circuit.expectation_ps(z=[qubits - 1]).real

        self.values_of = torch.vmap(value, in_dims=(None, 0))


class LightningQcnnLayer(QcnnLayer):
    """PennyLane's lightning.qubit with adjoint differentiation, values and derivatives in one call.

    Diagonal gates replace the feature map's CNOTs, and the tapes are built before the clock starts: both favour it.
    """

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import pennylane as qml
        from pennylane.devices import ExecutionConfig

        qubits = parameters.qubits
        complex_type = np.complex64 if parameters.precision == "single" else np.complex128
        self._device = qml.device("lightning.qubit", wires=qubits, c_dtype=complex_type)
        pairs = encoding_pairs(qubits, parameters.encoding)
        gates = gates_of(qubits)
        # the constants of RZ and the encoding's angles are parameters too, to PennyLane
        angled = [isinstance(gate.angle, Parameter) for gate in gates if gate.name != "cx"]
        trainable = [qubits + len(pairs) + place for place, weighted in enumerate(angled) if weighted]
        network = [self._operation(gate) for gate in gates]
        self._tapes = [
            qml.tape.QuantumScript(
                [*_lightning_encoding(sample, pairs), *network],
                [qml.expval(qml.Z(qubits - 1))],
                trainable_params=trainable,
            )
            for sample in self.inputs
        ]
        self._config = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)

    def _operation(self, gate: Gate) -> Any:
        import pennylane as qml

        if gate.name == "cx":
            return qml.CNOT(gate.qubits)
        angle = self.weights[gate.angle.place] if isinstance(gate.angle, Parameter) else gate.angle
        return (qml.RZ if gate.name == "rz" else qml.RY)(angle, gate.qubits)

    def evaluate(self) -> Answer:
        """All tapes, one after another."""
        if not self.parameters.gradient:
            return self.answer(np.array(self._device.execute(self._tapes), dtype=np.float64))
        values, slopes = self._device.execute_and_compute_derivatives(self._tapes, self._config)
        return self.answer(np.array(values, dtype=np.float64), np.array(slopes, dtype=np.float64))


def _lightning_encoding(sample: Reals, pairs: list[tuple[int, int]]) -> list[Any]:
    """The feature map; IsingZZ is, up to a global phase, a phase on the parity of a pair."""
    import pennylane as qml

    qubits = range(len(sample))
    products = [qml.IsingZZ(2 * (pi - sample[i]) * (pi - sample[j]), (i, j)) for i, j in pairs]
    return [*map(qml.Hadamard, qubits), *(qml.PhaseShift(2 * sample[i], i) for i in qubits), *products]


class EstimatorQcnnLayer(QcnnLayer):
    """qiskit-machine-learning's EstimatorQNN on exact state vectors, with its default gradient: parameter shifts.

    It takes 0.7 s a sample for the gradient of eight qubits: keep the batch small.
    """

    def __init__(self, parameters: QcnnLayerParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from qiskit import QuantumCircuit
        from qiskit.circuit import ParameterVector
        from qiskit.primitives import StatevectorEstimator
        from qiskit.quantum_info import SparsePauliOp
        from qiskit_machine_learning.neural_networks import EstimatorQNN

        qubits = parameters.qubits
        inputs, weights = ParameterVector("x", qubits), ParameterVector("w", len(self.weights))
        circuit = QuantumCircuit(qubits)
        for qubit in range(qubits):
            circuit.h(qubit)
            circuit.p(2 * inputs[qubit], qubit)
        for i, j in encoding_pairs(qubits, parameters.encoding):
            circuit.rzz(2 * (pi - inputs[i]) * (pi - inputs[j]), i, j)
        for name, places, angle in gates_of(qubits):
            angles = [] if name == "cx" else [weights[angle.place] if isinstance(angle, Parameter) else angle]
            getattr(circuit, name)(*angles, *places)
        self._network = EstimatorQNN(
            circuit=circuit,
            estimator=StatevectorEstimator(),
            observables=SparsePauliOp.from_sparse_list([("Z", [qubits - 1], 1.0)], qubits),
            input_params=list(inputs),
            weight_params=list(weights),
            default_precision=0.0,
        )

    def evaluate(self) -> Answer:
        """One job of values, and one of shifted circuits."""
        values = self._network.forward(self.inputs, self.weights)[:, 0]
        if not self.parameters.gradient:
            return self.answer(values)
        _, slopes = self._network.backward(self.inputs, self.weights)
        return self.answer(values, np.asarray(slopes)[:, 0])
