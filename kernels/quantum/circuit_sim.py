"""Kernel ``circuit_sim``: state vectors of the hardware-efficient ansatz.

One step takes angles to the expectation value of Z on each qubit, ``<Z_q>``, for every circuit of the batch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from kernels.api import Backend, Check, InputError, Kernel, Parameters, Work, Workload, divide
from kernels.communication.process_group import local_device
from kernels.quantum.availability import cpu_peer_missing, torch_missing
from kernels.quantum.circuit import hardware_efficient

# rounding errors of <Z> grow with the square root of the number of gates: some 1e-7 after a hundred in complex64
_TOLERANCES = {"single": 1e-5, "double": 1e-10}

# the reference is slow: it checks as many circuits of a batch as have this many amplitudes together, at least one
_CHECKED_AMPLITUDES = 1 << 20


class CircuitSimParameters(Parameters, frozen=True):
    """A batch of circuits of one shape, each with its own random angles."""

    qubits: Annotated[int, Meta(ge=4, le=28, description="qubits of a circuit")] = 16
    depth: Annotated[int, Meta(ge=1, description="layers of RY, RZ on each qubit and a ring of CNOTs")] = 5
    precision: Annotated[Literal["single", "double"], Meta(description="complex64 or complex128")] = "double"
    batch: Annotated[int, Meta(ge=1, description="circuits, over all ranks")] = 8
    seed: Annotated[int, Meta(ge=0, description="seed of the angles")] = 0


class CircuitSim(Workload):
    """The rank's share of the batch; a backend says how its ``<Z>`` values, (circuits, qubits), come about."""

    precisions: ClassVar[tuple[str, ...]] = ("single", "double")

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        if parameters.precision not in self.precisions:
            raise InputError(
                f"kernel circuit_sim: parameter precision: found {parameters.precision!r}; "
                f"this backend computes in {' or '.join(self.precisions)}"
            )
        self.circuit = hardware_efficient(parameters.qubits, parameters.depth)
        random = np.random.default_rng(parameters.seed)
        angles = random.uniform(0, 2 * np.pi, (parameters.batch, self.circuit.parameters))
        share = divide(parameters.batch, comm.size, comm.rank)
        self.angles = angles[share.start : share.stop]
        self.expectations: NDArray[np.float64] = np.full((len(self.angles), parameters.qubits), np.nan)

    def step(self) -> None:
        """Simulate every circuit of the share."""
        self.expectations = self.simulate()

    @abstractmethod
    def simulate(self) -> NDArray[np.float64]:
        """``<Z_q>`` of every circuit and qubit, float64 of shape (circuits, qubits)."""

    def verify(self) -> Check:
        """Compare with textbook matrices applied gate by gate in complex128, on evenly spaced circuits of the batch.

        The reference's own rounding error, about 1e-14, is far below either tolerance.
        """
        from kernels.quantum import reference

        checked = max(1, min(len(self.angles), _CHECKED_AMPLITUDES >> self.parameters.qubits))
        error = 0.0
        for index in np.linspace(0, len(self.angles) - 1, checked).astype(int):
            right = reference.expectations(reference.simulate(self.circuit, self.angles[index])).numpy()
            # a NaN must win, so no max() of Python
            error = np.maximum(error, np.abs(self.expectations[index] - right).max())
        return Check(
            error=float(np.max(self.comm.allgather(float(error)))),
            tolerance=_TOLERANCES[self.parameters.precision],
            reference="largest error of <Z>, against gate-by-gate textbook matrices in complex128",
        )

    def work(self) -> Work:
        """Counted on the fused plan, the least work known for these circuits, whatever the backend.

        Per amplitude and sweep: 6 flops for each RY (a real 2x2 matrix on complex numbers), 6 for the diagonal of all
        RZ (a complex product), one read and one write. The first layer writes a product state (6 flops, one write);
        the expectation values read the state once (3 flops for a probability, 2 for its two marginal sums). One
        state at a time, swept in place, would do.
        """
        from kernels.quantum.fusion import plan

        sweeps = plan(self.circuit).sweeps
        steps = [step for sweep in sweeps for step in sweep.steps]
        amplitudes = len(divide(self.parameters.batch, self.comm.size, 0)) << self.parameters.qubits
        amplitude_bytes = 8 if self.parameters.precision == "single" else 16
        flops = 11 + sum(6 * len(step.rotations) + 6 * bool(step.phases) for step in steps)
        return Work(
            items=self.parameters.batch,
            item="circuit",
            flops=float(amplitudes * flops),
            dtype="float32" if self.parameters.precision == "single" else "float64",
            memory_bytes=float(amplitudes * amplitude_bytes * (2 * len(sweeps) + 2)),
            working_set_bytes=float(amplitude_bytes << self.parameters.qubits),
        )


class TorchCircuitSim(CircuitSim):
    """Ours: `kernels.quantum.statevector.Simulator`."""

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        from kernels.quantum.statevector import Simulator

        self._simulator = Simulator(self.circuit, parameters.precision, local_device(comm, device))
        # compiles the loops, outside of the timed step
        self._simulator.expectations(self.angles[:1])

    def simulate(self) -> NDArray[np.float64]:
        """Bind the angles, sweep, sum."""
        # the values come back to the host, which waits for the device
        return self._simulator.expectations(self.angles)


def _peer(name: str) -> Callable[[Any, Any, str], Workload]:
    def build(parameters: CircuitSimParameters, comm: Any, device: str) -> Workload:
        from kernels.quantum import circuit_peers

        workload: Workload = getattr(circuit_peers, name)(parameters, comm, device)
        return workload

    return build


def _grow(parameters: CircuitSimParameters, ranks: int) -> CircuitSimParameters:
    return msgspec.structs.replace(parameters, batch=parameters.batch * ranks)


def _check(parameters: CircuitSimParameters, ranks: int) -> None:
    if parameters.batch < ranks:
        raise InputError(
            f"kernel circuit_sim: parameter batch: {parameters.batch} circuits cannot be divided over {ranks} ranks; "
            f"right would be batch={ranks} or more"
        )


KERNEL = Kernel(
    name="circuit_sim",
    version=1,
    summary="state vectors of a hardware-efficient circuit, from angles to <Z> on every qubit",
    parameters=CircuitSimParameters,
    backends={
        "torch": Backend(
            "ours: gates fused into sweeps; Numba loops on the CPU, torch on GPUs", TorchCircuitSim, torch_missing
        ),
        "aer": Backend(
            "Qiskit Aer, state vector with gate fusion", _peer("AerCircuitSim"), cpu_peer_missing("qiskit_aer")
        ),
        "lightning": Backend(
            "PennyLane lightning.qubit",
            _peer("LightningCircuitSim"),
            cpu_peer_missing("pennylane", "pennylane_lightning"),
        ),
        "qulacs": Backend(
            "Qulacs, light fusion, double precision", _peer("QulacsCircuitSim"), cpu_peer_missing("qulacs")
        ),
    },
    reference="torch",
    scaling="strong: the batch of circuits is divided over the ranks; weak: every rank has batch circuits",
    grow=_grow,
    check=_check,
)
