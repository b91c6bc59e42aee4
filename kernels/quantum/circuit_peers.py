"""Other simulators as backends of ``circuit_sim``, each doing the same work, configured at its best.

Circuits are built and their angles bound before the clock starts, which ours does within the step. Quantum volume's
gates of SU(4) reach them as 4x4 matrices, which is how their users write them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch

from kernels.quantum.circuit_workload import CircuitSim, CircuitSimParameters
from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.circuits.circuit import Parameter
from kernels.quantum.circuits.families import SU4_GATES
from kernels.quantum.circuits.gates import KINDS, Matrix, matrix

Bound = tuple[str, tuple[int, ...], float]


class AerCircuitSim(CircuitSim):
    """Qiskit Aer, with its default fusion of up to five qubits, on torch's number of threads.

    Its circuits run one after another; ``max_parallel_experiments=0``, several at once, was no faster on two cores
    (batches of 64, 6 to 12 qubits).
    """

    aer_device: ClassVar[str] = "CPU"

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from qiskit_aer import AerSimulator

        self._simulator = AerSimulator(
            method="statevector",
            device=self.aer_device,
            precision=parameters.precision,
            max_parallel_threads=torch.get_num_threads(),
        )
        self._circuits = [self._circuit(angles) for angles in self.angles]

    def _circuit(self, angles: Reals) -> Any:
        from qiskit import QuantumCircuit
        from qiskit.quantum_info import Pauli

        circuit = QuantumCircuit(self.circuit.qubits)
        bound = self.circuit.bind(angles)
        if self.parameters.family == "quantum_volume":
            for pair, unitary in _su4_matrices(bound):
                circuit.unitary(unitary, pair)
        else:
            for name, qubits, angle in bound:
                getattr(circuit, name)(*((angle,) if KINDS[name].has_angle else ()), *qubits)
        for qubit in range(self.circuit.qubits):
            circuit.save_expectation_value(Pauli("Z"), [qubit], label=str(qubit))
        return circuit

    def simulate(self) -> Reals:
        """One job of all circuits."""
        result = self._simulator.run(self._circuits, shots=1).result()
        values = [result.data(index) for index in range(len(self._circuits))]
        return np.array([[data[str(qubit)] for qubit in range(self.circuit.qubits)] for data in values])


class AerGpuCircuitSim(AerCircuitSim):
    """Qiskit Aer's GPU build, otherwise as on the CPU."""

    aer_device: ClassVar[str] = "GPU"


class LightningCircuitSim(CircuitSim):
    """PennyLane's lightning.qubit; the tapes go straight to the device, past the costs of a QNode."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        import pennylane as qml
        from pennylane.devices import ExecutionConfig

        complex_type = np.complex64 if parameters.precision == "single" else np.complex128
        self._device = qml.device("lightning.qubit", wires=parameters.qubits, c_dtype=complex_type)
        self._config = ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
        qubits = range(parameters.qubits)
        readout = [qml.expval(qml.Z(qubit)) for qubit in qubits]
        if parameters.gradient != "none":
            readout = [qml.expval(qml.Hamiltonian([1.0] * parameters.qubits, [qml.Z(qubit) for qubit in qubits]))]
        self._places, trainable = self._trainable()
        self._tapes = [
            qml.tape.QuantumScript(self._gates(angles), readout, trainable_params=trainable) for angles in self.angles
        ]

    def _trainable(self) -> tuple[list[int], list[int]]:
        """The angles that gates take, in the gates' order, and where they stand among the tape's parameters."""
        taken = [gate.angle for gate in self.circuit.gates if gate.angle is not None]
        places = [angle.place for angle in taken if isinstance(angle, Parameter)]
        return places, [position for position, angle in enumerate(taken) if isinstance(angle, Parameter)]

    def _gates(self, angles: Reals) -> list[Any]:
        import pennylane as qml

        bound = self.circuit.bind(angles)
        if self.parameters.family == "quantum_volume" and self.parameters.gradient == "none":
            # the first wire is the more significant bit
            return [qml.QubitUnitary(unitary, pair[::-1]) for pair, unitary in _su4_matrices(bound)]
        with_angle = {"rx": qml.RX, "ry": qml.RY, "rz": qml.RZ, "p": qml.PhaseShift, "cp": qml.ControlledPhaseShift}
        with_angle |= {"crx": qml.CRX, "cry": qml.CRY, "crz": qml.CRZ, "rzz": qml.IsingZZ}
        fixed = {"id": qml.Identity, "x": qml.X, "y": qml.Y, "z": qml.Z, "h": qml.H, "s": qml.S, "t": qml.T}
        fixed |= {"cx": qml.CNOT, "cy": qml.CY, "cz": qml.CZ, "swap": qml.SWAP, "ccx": qml.Toffoli}
        fixed |= {"sx": qml.SX, "sdg": lambda wires: qml.adjoint(qml.S(wires))}
        fixed |= {"tdg": lambda wires: qml.adjoint(qml.T(wires))}
        return [
            with_angle[name](angle, wires=qubits) if name in with_angle else fixed[name](wires=qubits)
            for name, qubits, angle in bound
        ]

    def simulate(self) -> Reals:
        """All tapes, one after another."""
        return np.array(self._device.execute(self._tapes), dtype=np.float64)

    def differentiate(self) -> Reals:
        """The adjoint Jacobian of all tapes, one after another."""
        slopes = np.array(self._device.compute_derivatives(self._tapes, self._config), dtype=np.float64)
        derivatives = np.zeros_like(self.derivatives)
        # gates may share an angle
        np.add.at(derivatives.T, self._places, slopes.reshape(len(derivatives), -1).T)
        return derivatives


class QulacsCircuitSim(CircuitSim):
    """Qulacs with its light fusion; complex128 only. Fusion into blocks of two to four qubits was slower (n = 18)."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from qulacs import QuantumState
        from qulacs.circuit import QuantumCircuitOptimizer

        self._state = QuantumState(parameters.qubits)
        self._circuits = [self._circuit(angles) for angles in self.angles]
        for circuit in self._circuits:
            QuantumCircuitOptimizer().optimize_light(circuit)

    def _circuit(self, angles: Reals) -> Any:
        from qulacs import QuantumCircuit

        circuit = QuantumCircuit(self.circuit.qubits)
        bound = self.circuit.bind(angles)
        if self.parameters.family == "quantum_volume":
            for pair, unitary in _su4_matrices(bound):
                circuit.add_dense_matrix_gate(list(pair), unitary)
            return circuit
        for name, qubits, angle in bound:
            self._add(circuit, name, qubits, angle)
        return circuit

    def _add(self, circuit: Any, name: str, qubits: tuple[int, ...], angle: float) -> None:
        from qulacs.gate import DiagonalMatrix

        unitary = matrix(name, angle)
        if name in ("rx", "ry", "rz"):
            # Qulacs turns the other way round
            getattr(circuit, f"add_{name.upper()}_gate")(*qubits, -angle)
        elif name in ("cx", "cz", "swap", "h", "x", "y", "z"):
            getattr(circuit, f"add_{'CNOT' if name == 'cx' else name.upper()}_gate")(*qubits)
        elif np.count_nonzero(unitary - np.diag(np.diag(unitary))) == 0:
            circuit.add_gate(DiagonalMatrix(list(qubits), np.diag(unitary)))
        else:
            circuit.add_dense_matrix_gate(list(qubits), unitary)

    def simulate(self) -> Reals:
        """One circuit after another, on one state."""
        return np.array([self._values(circuit) for circuit in self._circuits])

    def _values(self, circuit: Any) -> list[float]:
        self._state.set_zero_state()
        circuit.update_quantum_state(self._state)
        return [2 * self._state.get_zero_probability(qubit) - 1 for qubit in range(self.circuit.qubits)]


def _su4_matrices(bound: Iterable[Bound]) -> list[tuple[tuple[int, int], Matrix]]:
    """The gates of `circuits.families.su4` multiplied out: pairs of qubits, the less significant first."""
    gates = list(bound)
    blocks = [gates[start : start + SU4_GATES] for start in range(0, len(gates), SU4_GATES)]
    return [_multiply(block) for block in blocks]


def _multiply(block: list[Bound]) -> tuple[tuple[int, int], Matrix]:
    a, b = dict.fromkeys(qubit for _, qubits, _ in block for qubit in qubits)
    swap, product = matrix("swap"), np.eye(4, dtype=np.complex128)
    for name, qubits, angle in block:
        unitary = matrix(name, angle)
        if len(qubits) == 1:
            unitary = np.kron(np.eye(2), unitary) if qubits == (a,) else np.kron(unitary, np.eye(2))
        elif qubits == (b, a):
            unitary = swap @ unitary @ swap
        product = unitary @ product
    return (a, b), product
