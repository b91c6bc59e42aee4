"""Kernel ``circuit_sim``: state vectors of circuit families and of OpenQASM 2 files.

One step takes angles to the expectation value of Z on each qubit, ``<Z_q>``, for every circuit of the batch, or to the
derivatives of their sum with respect to every angle.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kernels.api import Backend, InputError, Kernel, Workload
from kernels.communication.process_group import local_device
from kernels.declaring import check_shares, growing, imported
from kernels.quantum.availability import aer_gpu_missing, cpu_peer_missing, torch_missing
from kernels.quantum.circuit_workload import CircuitSim, CircuitSimParameters, build
from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.distributed.plan import check_ranks


class TorchCircuitSim(CircuitSim):
    """Ours: `engine.statevector.Simulator`."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from kernels.quantum.circuits.observables import PauliSum
        from kernels.quantum.engine.statevector import Simulator

        self._simulator = Simulator(self.circuit, parameters.precision, local_device(comm, device))
        self._observable = PauliSum.total_z(parameters.qubits)
        # compiles the loops, outside of the timed step
        self.simulate() if parameters.gradient == "none" else self.differentiate()

    def simulate(self) -> Reals:
        """Bind the angles, sweep, sum."""
        # the values come back to the host, which waits for the device
        return self._simulator.expectations(self.angles)

    def differentiate(self) -> Reals:
        """Sweep forward, then backward."""
        return self._simulator.gradients(self.angles, self._observable)[1]


def _torch(parameters: CircuitSimParameters, comm: Any, device: str) -> Workload:
    if parameters.distribution == "samples":
        return TorchCircuitSim(parameters, comm, device)
    from kernels.quantum.distributed_workload import DistributedCircuitSim

    return DistributedCircuitSim(parameters, comm, device)


_PEERS = "kernels.quantum.circuit_peers"
_WHOLE_STATES: dict[str, tuple[str, ...]] = {"distribution": ("samples",)}
_VALUES_ALONE = {"gradient": ("none",), **_WHOLE_STATES}


def _grow(parameters: CircuitSimParameters, ranks: int) -> CircuitSimParameters:
    if parameters.distribution == "state":
        return msgspec.structs.replace(parameters, qubits=parameters.qubits + ranks.bit_length() - 1)
    return growing("batch")(parameters, ranks)


def _check(parameters: CircuitSimParameters, ranks: int) -> None:
    if parameters.distribution == "state":
        check_ranks(parameters.qubits, ranks)
        if parameters.gradient != "none":
            raise InputError(
                "kernel circuit_sim: parameter gradient: found 'adjoint' with distribution=state; right would be "
                "gradient=none, or distribution=samples"
            )
    else:
        check_shares("circuit_sim", "batch", parameters, ranks)
    if (parameters.family == "qasm") != bool(parameters.file):
        raise InputError(
            f"kernel circuit_sim: parameter file: found {parameters.file!r}; right would be a path if family=qasm"
        )
    if parameters.family == "qasm":
        build(parameters)
        if parameters.gradient != "none":
            raise InputError(
                "kernel circuit_sim: parameter gradient: a file's angles are fixed; right would be gradient=none"
            )


KERNEL = Kernel(
    name="circuit_sim",
    version=2,
    summary="state vectors: from a circuit's angles to <Z> on every qubit, or to its gradient",
    parameters=CircuitSimParameters,
    backends={
        "torch": Backend("ours: gates fused into sweeps; Numba loops on the CPU, torch on GPUs", _torch, torch_missing),
        "aer": Backend(
            "Qiskit Aer, state vector with gate fusion",
            imported(f"{_PEERS}:AerCircuitSim"),
            cpu_peer_missing("qiskit_aer"),
            takes=_VALUES_ALONE,
        ),
        "aer-gpu": Backend(
            "Qiskit Aer on a GPU, with gate fusion",
            imported(f"{_PEERS}:AerGpuCircuitSim"),
            aer_gpu_missing,
            takes=_VALUES_ALONE,
        ),
        "lightning": Backend(
            "PennyLane lightning.qubit, adjoint differentiation",
            imported(f"{_PEERS}:LightningCircuitSim"),
            cpu_peer_missing("pennylane", "pennylane_lightning"),
            takes=_WHOLE_STATES,
        ),
        "qulacs": Backend(
            "Qulacs, light fusion",
            imported(f"{_PEERS}:QulacsCircuitSim"),
            cpu_peer_missing("qulacs"),
            takes={"precision": ("double",), **_VALUES_ALONE},
        ),
    },
    reference="torch",
    scaling="strong: the batch of circuits, or with distribution=state each state vector, is divided over the ranks; "
    "weak: every rank has batch circuits, or a state of qubits qubits as its part",
    grow=_grow,
    check=_check,
)
