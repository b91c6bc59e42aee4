"""What every backend of ``circuit_sim`` shares: the parameters, the circuits, the check and the counted work."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from kernels.api import Check, InputError, Parameters, Work, Workload, divide
from kernels.quantum.circuits import families, qasm
from kernels.quantum.circuits.arrays import Reals
from kernels.quantum.circuits.circuit import Circuit
from kernels.quantum.circuits.precisions import PRECISIONS

# rounding errors of <Z> grow with the square root of the number of gates: some 1e-7 after a hundred in complex64; a
# derivative of their sum adds those of all qubits
_TOLERANCES = {"single": 1e-5, "double": 1e-10}
_GRADIENT_FACTOR = 100.0

# the reference is slow: it checks as many circuits of a batch as have this many amplitudes together, at least one, and
# no more than a second or two of gates; a circuit's derivatives take a simulation each way for each
_CHECKED_AMPLITUDES = 1 << 20
_CHECKED_CIRCUITS = {"none": 256, "adjoint": 16}
_CHECKED_DERIVATIVES = 3


class CircuitSimParameters(Parameters, frozen=True):
    """A batch of circuits of one shape, each with its own random angles."""

    family: Annotated[
        Literal["hardware_efficient", "qft", "ghz", "quantum_volume", "qcbm", "qasm"],
        Meta(description="kind of circuit; qasm: an OpenQASM 2 file"),
    ] = "hardware_efficient"
    file: Annotated[str, Meta(description="path of the OpenQASM 2 file, for family=qasm only")] = ""
    qubits: Annotated[int, Meta(ge=1, le=28, description="qubits of a circuit")] = 16
    depth: Annotated[int, Meta(ge=1, description="layers, of hardware_efficient, quantum_volume and qcbm")] = 5
    precision: Annotated[Literal["single", "double"], Meta(description="complex64 or complex128")] = "double"
    batch: Annotated[int, Meta(ge=1, description="circuits, over all ranks")] = 8
    distribution: Annotated[
        Literal["samples", "state"],
        Meta(description="what is divided over the ranks: the batch of circuits, or each state vector"),
    ] = "samples"
    gradient: Annotated[
        Literal["none", "adjoint"],
        Meta(description="adjoint: the derivatives of sum <Z_q> by every angle, in the place of <Z_q>"),
    ] = "none"
    seed: Annotated[int, Meta(ge=0, description="seed of the angles, and of quantum_volume's pairs")] = 0


def build(parameters: CircuitSimParameters) -> Circuit:
    """The circuit of the family; raises `InputError` for a file that cannot be read or has other qubits."""
    qubits, depth = parameters.qubits, parameters.depth
    match parameters.family:
        case "hardware_efficient":
            return families.hardware_efficient(qubits, depth)
        case "qft":
            return families.qft_of_product(qubits)
        case "ghz":
            return families.inclined_ghz(qubits)
        case "quantum_volume":
            return families.quantum_volume(qubits, depth, parameters.seed)
        case "qcbm":
            return families.qcbm(qubits, depth)
    circuit = qasm.load(parameters.file)
    if circuit.qubits != qubits:
        found = circuit.qubits
        raise InputError(f"{parameters.file}: has {found} qubits, not {qubits}; right would be --set qubits={found}")
    return circuit


def draw_angles(parameters: CircuitSimParameters, circuit: Circuit) -> Reals:
    """Random angles of the whole batch, (batch, parameters): uniform, or Haar-random gates for quantum volume."""
    random = np.random.default_rng(parameters.seed)
    shape = parameters.batch, circuit.parameters
    if parameters.family == "quantum_volume":
        return families.draw_su4(random, shape[0] * shape[1] // 15).reshape(shape)
    return random.uniform(0, 2 * np.pi, shape)


class CircuitSim(Workload):
    """The rank's share of the batch; a backend says how its ``<Z>`` values, (circuits, qubits), come about.

    With gradient=adjoint it says how the derivatives of their sum, (circuits, parameters), come about.
    """

    def __init__(self, parameters: CircuitSimParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.circuit = build(parameters)
        share = self.share(comm.rank)
        self.angles = draw_angles(parameters, self.circuit)[share.start : share.stop]
        self.expectations: Reals = np.full((len(self.angles), parameters.qubits), np.nan)
        self.derivatives: Reals = np.full((len(self.angles), self.circuit.parameters), np.nan)

    def share(self, rank: int) -> range:
        """The circuits that the rank simulates."""
        return divide(self.parameters.batch, self.comm.size, rank)

    def step(self) -> None:
        """Simulate every circuit of the share."""
        if self.parameters.gradient == "none":
            self.expectations = self.simulate()
        else:
            self.derivatives = self.differentiate()

    @abstractmethod
    def simulate(self) -> Reals:
        """``<Z_q>`` of every circuit and qubit, float64 of shape (circuits, qubits)."""

    def differentiate(self) -> Reals:
        """``d sum_q <Z_q> / d angle`` of every circuit and angle, float64 of shape (circuits, parameters).

        A backend without it declares that it takes gradient=none.
        """
        raise NotImplementedError

    def verify(self) -> Check:
        """Compare with textbook matrices applied gate by gate in complex128, on up to 256 evenly spaced circuits.

        Derivatives, of three evenly spaced angles of up to 16 circuits, are compared with the parameter-shift rule,
        which is exact for rotations. The reference's own rounding error, about 1e-14, is far below either tolerance.
        """
        most = min(_CHECKED_CIRCUITS[self.parameters.gradient], _CHECKED_AMPLITUDES >> self.parameters.qubits)
        checked = max(1, min(len(self.angles), most))
        circuits = np.linspace(0, len(self.angles) - 1, checked).astype(int)
        compare, subject, factor = self._value_error, "<Z>", 1.0
        if self.parameters.gradient != "none":
            compare, subject, factor = self._derivative_error, "derivatives of sum <Z>", _GRADIENT_FACTOR
        # a NaN must win, so no max() of Python
        error = np.max([compare(index) for index in circuits])
        return Check(
            error=float(np.max(self.comm.allgather(float(error)))),
            tolerance=factor * _TOLERANCES[self.parameters.precision],
            reference=f"largest error of {subject}, against gate-by-gate textbook matrices in complex128",
        )

    def _value_error(self, index: int) -> float:
        return np.abs(self.expectations[index] - self.right_values(index)).max()

    def right_values(self, index: int) -> Reals:
        """The reference's ``<Z_q>`` of a circuit of the share."""
        return _right_values(self.circuit, self.angles[index].tobytes())

    def _derivative_error(self, index: int) -> float:
        from kernels.quantum.circuits import reference

        error = 0.0
        count = self.circuit.parameters
        for place in np.linspace(0, count - 1, min(count, _CHECKED_DERIVATIVES)).astype(int):
            shift = np.pi / 2 * (np.arange(count) == place)
            plus, minus = (
                reference.expectations(reference.simulate(self.circuit, angles)).sum().item()
                for angles in (self.angles[index] + shift, self.angles[index] - shift)
            )
            error = np.maximum(error, abs(self.derivatives[index, place] - (plus - minus) / 2))
        return error

    def work(self) -> Work:
        """Counted on the fused plan, the least work known for these circuits, whatever the backend.

        Per amplitude and sweep: 6 flops for each turn (a real 2x2 matrix on complex numbers), or 4 where it leaves its
        cosine to a later one, as two of three do (`turns.rotate`), 6 for each diagonal (a complex product), one read
        and one write. The product state that begins takes 6 flops and one write; the
        expectation values read the state once (3 flops for a probability, 2 for its two marginal sums). One state at
        a time, swept in place, would do.

        The adjoint method sweeps forward, then two states backward (Jones and Gacon, arXiv:2009.02823), with 4 flops
        an amplitude for the inner product of each turn and of each step's phases.
        """
        from kernels.quantum.planning.fusion import plan

        sweeps = plan(self.circuit).sweeps
        steps = [step for sweep in sweeps for step in sweep.steps]
        turns, diagonals = sum(len(step.turns) for step in steps), sum(bool(step.phases) for step in steps)
        groups = sum(-(-len(step.turns) // 3) for step in steps)
        amplitudes = len(self.share(0)) << self.parameters.qubits
        amplitude_bytes, real = PRECISIONS[self.parameters.precision]
        flops, passes = 11 + 4 * turns + 2 * groups + 6 * diagonals, 2 * len(sweeps) + 2
        if self.parameters.gradient != "none":
            flops, passes = 3 * flops + 4 * (turns + diagonals), 3 * passes
        return Work(
            items=self.parameters.batch,
            item="circuit",
            flops=float(amplitudes * flops),
            dtype=real,
            memory_bytes=float(amplitudes * amplitude_bytes * passes),
            working_set_bytes=float(amplitude_bytes << self.parameters.qubits),
        )


@lru_cache(maxsize=1 << 13)
def _right_values(circuit: Circuit, angles: bytes) -> Reals:
    # kept, as every backend of a launch is checked against it: of a large circuit it takes longer than the measurement
    from kernels.quantum.circuits import reference

    return reference.expectations(reference.simulate(circuit, np.frombuffer(angles))).numpy()
