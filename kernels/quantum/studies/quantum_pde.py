"""Kernel ``quantum_pde``: a quantum convolutional network learns the solution of a partial differential equation.

One step trains from several seeds. What counts beside its time is the loss ``sum (y - f)^2 / 2N`` that is reached and
the time until it is good enough; that loss says nothing without R2, the loss of predicting 0 and the floor that the
encoding sets, so they are always told together.
"""

from __future__ import annotations

from math import pi
from typing import Annotated, Literal

from msgspec import Meta

from kernels.api import Backend, InputError, Kernel, Parameters
from kernels.declaring import check_shares, growing, imported
from kernels.quantum.availability import torch_missing


class QuantumPdeParameters(Parameters, frozen=True):
    """The equation, how its coordinates enter the circuit, what is trained and when that is good enough."""

    equation: Annotated[Literal["burgers", "poisson"], Meta(description="Burgers in (x, t) or Poisson in (x, y)")] = (
        "burgers"
    )
    viscosity: Annotated[float, Meta(ge=0.01, le=1, description="Burgers' viscosity")] = 0.05
    encoding: Annotated[
        Literal["thesis", "tiled"],
        Meta(description="one qubit for each input, or for Burgers (x, t, 2x, 2t) on 4 qubits and 39 weights"),
    ] = "thesis"
    readout: Annotated[
        Literal["plain", "affine"],
        Meta(description="<Z> itself (weights and inputs number 20 and 59) or scale * <Z> + bias (18 + 2 trained)"),
    ] = "affine"
    x_radians: Annotated[float, Meta(gt=0, description="x enters as an angle from 0 to this")] = pi
    t_radians: Annotated[float, Meta(gt=0, description="t, or Poisson's y, enters as an angle from 0 to this")] = 1.0
    repetitions: Annotated[int, Meta(ge=1, description="of the ZZ feature map; Qiskit's default is 2")] = 1
    seeds: Annotated[int, Meta(ge=1, description="training runs, over all ranks")] = 8
    iterations: Annotated[int, Meta(ge=1, description="of L-BFGS-B at most")] = 70
    target_loss: Annotated[float, Meta(gt=0, description="the loss that is good enough")] = 0.015
    precision: Annotated[Literal["single", "double"], Meta(description="complex64 or complex128")] = "double"
    seed: Annotated[int, Meta(ge=0, description="seed of the first run's weights; the others follow")] = 0


def _check(parameters: QuantumPdeParameters, ranks: int) -> None:
    place = "kernel quantum_pde: parameter"
    check_shares("quantum_pde", "seeds", parameters, ranks)
    if parameters.encoding == "tiled" and parameters.equation != "burgers":
        raise InputError(f"{place} encoding: found tiled with {parameters.equation}; only burgers can be tiled")


KERNEL = Kernel(
    name="quantum_pde",
    version=1,
    summary="a quantum convolutional network trained on Burgers' or Poisson's equation: loss, and time to a loss",
    parameters=QuantumPdeParameters,
    backends={
        "torch": Backend(
            "ours: batched circuits, reverse mode, L-BFGS-B of SciPy",
            imported("kernels.quantum.studies.pde_training:QuantumPde"),
            torch_missing,
        ),
    },
    reference="torch",
    scaling="strong: the seeds are divided over the ranks; weak: every rank trains seeds runs",
    grow=growing("seeds"),
    check=_check,
)
