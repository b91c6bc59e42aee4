"""The workload of kernel ``quantum_pde``: training runs by L-BFGS-B, one for each seed."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from kernels.api import Check, Figure, Work, Workload, divide
from kernels.communication.process_group import local_device
from kernels.quantum.circuits.precisions import PRECISIONS
from kernels.quantum.studies.pde_model import PdeModel
from kernels.quantum.studies.quality import Curve, seed_figures, time_figures

if TYPE_CHECKING:
    from kernels.quantum.studies.quantum_pde import QuantumPdeParameters

_TOLERANCES = {"single": 1e-5, "double": 1e-8}


class Training(NamedTuple):
    """One run: where it ended, the way there, and how often loss and gradient were evaluated."""

    vector: NDArray[np.float64]
    curve: Curve
    evaluations: int


def train(model: PdeModel, seed: int, iterations: int) -> Training:
    """L-BFGS-B from the weights of the seed, the thesis's optimiser; SciPy's default criteria may stop it early."""
    start = perf_counter()
    curve = Curve([], [])

    def note(intermediate_result: OptimizeResult) -> None:
        curve.losses.append(float(intermediate_result.fun))
        curve.seconds.append(perf_counter() - start)

    options = {"maxiter": iterations}
    found = minimize(
        model.loss_and_gradient, model.draw(seed), jac=True, method="L-BFGS-B", callback=note, options=options
    )
    if not curve.losses:
        note(found)
    return Training(found.x, curve, found.nfev)


class QuantumPde(Workload):
    """The rank's share of the seeds, each trained from scratch in every step."""

    parameters: QuantumPdeParameters

    def __init__(self, parameters: QuantumPdeParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.model = PdeModel(parameters, local_device(comm, device))
        self.seeds = [parameters.seed + index for index in divide(parameters.seeds, comm.size, comm.rank)]
        self.trainings: list[Training] = []
        # torch's first gradient takes longer than a whole training run
        self.model.loss_and_gradient(self.model.draw(parameters.seed))

    def step(self) -> None:
        """Train all seeds of the share, one after another."""
        self.trainings = [train(self.model, seed, self.parameters.iterations) for seed in self.seeds]

    def verify(self) -> Check:
        """The solution against that of another method; predictions and loss of the rank's best run against references.

        The predictions are those of textbook gates in complex128. Burgers is solved by Fourier modes and by the
        Cole-Hopf transformation, Poisson in closed form and by Chebyshev collocation.
        """
        best = min(self.trainings, key=lambda training: training.curve.losses[-1])
        samples, reference = self.model.samples, self.model.reference(best.vector)
        errors = [
            np.abs(samples.values - samples.references).max(),
            np.abs(self.model.predict(best.vector) - reference).max(),
            abs(best.curve.losses[-1] - np.mean((samples.references - reference) ** 2) / 2),
        ]
        return Check(
            error=float(np.max(self.comm.allgather(np.max(errors)))),
            tolerance=_TOLERANCES[self.parameters.precision],
            reference="another method's solution; predictions and loss by gate-by-gate textbook matrices in complex128",
        )

    def figures(self, step_s: float) -> list[Figure]:
        """How good, beside what says nothing was learnt and what cannot be beaten; and how long it took."""
        curves = [run.curve for share in self.comm.allgather(self.trainings) for run in share]
        losses = [curve.losses[-1] for curve in curves]
        values = self.model.samples.values
        return [
            Figure(name="best loss", value=min(losses), better="lower"),
            *seed_figures("loss", losses, better="lower"),
            Figure(name="R2 of the best", value=1 - 2 * min(losses) / float(np.var(values)), better="higher"),
            Figure(name="loss of predicting 0", value=float(np.mean(values**2) / 2)),
            Figure(name="loss floor of the encoding", value=self.model.floor),
            Figure(name="weights", value=self.model.network.weights.numel()),
            Figure(name="trained values", value=len(self.model.draw(self.parameters.seed))),
            Figure(name="inputs", value=self.model.inputs.shape[1]),
            *time_figures("iterations", curves, self.parameters.target_loss),
        ]

    def work(self) -> Work:
        """Of the rank that evaluates loss and gradient most often; how often the optimiser does follows from the seeds.

        One evaluation is counted by `qcnn.module.QCNN.count_flops`. It reads the encoded states once, and
        writes and reads the final ones.
        """
        network = self.model.network
        evaluations = max(self.comm.allgather(sum(run.evaluations for run in self.trainings)))
        amplitudes = evaluations * len(self.model.inputs) << network.qubits
        amplitude_bytes, real = PRECISIONS[self.parameters.precision]
        return Work(
            items=self.parameters.seeds,
            item="training",
            flops=float(network.count_flops(evaluations * len(self.model.inputs), gradient=True)),
            dtype=real,
            memory_bytes=float(amplitudes * amplitude_bytes * 3),
            working_set_bytes=float(len(self.model.inputs) * amplitude_bytes << network.qubits),
        )
