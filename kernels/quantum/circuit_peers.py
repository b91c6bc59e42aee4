"""Other simulators as backends of ``circuit_sim``, each doing the same work, configured at its best.

Circuits are built and their angles bound before the clock starts, which ours does within the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kernels.quantum.circuit_sim import CircuitSim, CircuitSimParameters


class AerCircuitSim(CircuitSim):
    """Qiskit Aer, with its default fusion of up to five qubits, on torch's number of threads."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from qiskit_aer import AerSimulator

        self._simulator = AerSimulator(
            method="statevector", precision=parameters.precision, max_parallel_threads=torch.get_num_threads()
        )
        self._circuits = [self._circuit(angles) for angles in self.angles]

    def _circuit(self, angles: NDArray[np.float64]) -> Any:
        from qiskit import QuantumCircuit
        from qiskit.quantum_info import Pauli

        circuit = QuantumCircuit(self.circuit.qubits)
        for name, qubits, angle in self.circuit.bind(angles):
            add = getattr(circuit, name)
            add(*qubits) if name == "cx" else add(angle, *qubits)
        for qubit in range(self.circuit.qubits):
            circuit.save_expectation_value(Pauli("Z"), [qubit], label=str(qubit))
        return circuit

    def simulate(self) -> NDArray[np.float64]:
        """One job of all circuits."""
        result = self._simulator.run(self._circuits, shots=1).result()
        values = [result.data(index) for index in range(len(self._circuits))]
        return np.array([[data[str(qubit)] for qubit in range(self.circuit.qubits)] for data in values])


class LightningCircuitSim(CircuitSim):
    """PennyLane's lightning.qubit; the tapes go straight to the device, past the costs of a QNode."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import pennylane as qml

        complex_type = np.complex64 if parameters.precision == "single" else np.complex128
        self._device = qml.device("lightning.qubit", wires=parameters.qubits, c_dtype=complex_type)
        gates = {"ry": qml.RY, "rz": qml.RZ, "cx": lambda angle, wires: qml.CNOT(wires)}
        self._tapes = [
            qml.tape.QuantumScript(
                [gates[name](angle, wires=qubits) for name, qubits, angle in self.circuit.bind(angles)],
                [qml.expval(qml.Z(qubit)) for qubit in range(parameters.qubits)],
            )
            for angles in self.angles
        ]

    def simulate(self) -> NDArray[np.float64]:
        """All tapes, one after another."""
        return np.array(self._device.execute(self._tapes), dtype=np.float64)


class QulacsCircuitSim(CircuitSim):
    """Qulacs with its light fusion; complex128 only. Fusion into blocks of two to four qubits was slower (n = 18)."""

    precisions = ("double",)

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from qulacs import QuantumState
        from qulacs.circuit import QuantumCircuitOptimizer

        self._state = QuantumState(parameters.qubits)
        self._circuits = [self._circuit(angles) for angles in self.angles]
        for circuit in self._circuits:
            QuantumCircuitOptimizer().optimize_light(circuit)

    def _circuit(self, angles: NDArray[np.float64]) -> Any:
        from qulacs import QuantumCircuit

        circuit = QuantumCircuit(self.circuit.qubits)
        for name, qubits, angle in self.circuit.bind(angles):
            # Qulacs turns the other way round
            if name == "ry":
                circuit.add_RY_gate(qubits[0], -angle)
            elif name == "rz":
                circuit.add_RZ_gate(qubits[0], -angle)
            else:
                circuit.add_CNOT_gate(qubits[0], qubits[1])
        return circuit

    def simulate(self) -> NDArray[np.float64]:
        """One circuit after another, on one state."""
        return np.array([self._values(circuit) for circuit in self._circuits])

    def _values(self, circuit: Any) -> list[float]:
        self._state.set_zero_state()
        circuit.update_quantum_state(self._state)
        return [2 * self._state.get_zero_probability(qubit) - 1 for qubit in range(self.circuit.qubits)]
