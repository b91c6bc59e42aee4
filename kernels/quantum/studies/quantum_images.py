"""Kernel ``quantum_images``: the thesis's three quantum image classifiers, and a classical network as large for each.

One step trains from several seeds, which draw data, weights and the order of batches; both kinds of network get the
same data in the same order, so that runs of one seed are pairs. What counts beside the step's time is the accuracy and
how many epochs and seconds it takes to a training loss. ``benchmarks/study_images.py`` compares the pairs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from kernels.api import Backend, Kernel, Parameters
from kernels.declaring import check_shares, growing, imported, needs
from kernels.quantum.availability import torch_missing
from kernels.quantum.studies.images import check_data


class QuantumImagesParameters(Parameters, frozen=True):
    """Which study, which of its two networks, the images, the training and when its loss is good enough."""

    study: Annotated[
        Literal["transfer", "quanvolution", "qcnn"],
        Meta(description="transfer and qcnn tell classes 3 and 5 apart, quanvolution all ten"),
    ] = "transfer"
    network: Annotated[
        Literal["quantum", "classical"], Meta(description="with a circuit, or classical with as many weights")
    ] = "quantum"
    data: Annotated[str, Meta(description="digits of scikit-learn, or a folder with CIFAR-10's binary version")] = (
        "digits"
    )
    samples: Annotated[int, Meta(ge=10, description="images at most, three tenths of them to test with")] = 600
    seeds: Annotated[int, Meta(ge=1, description="training runs, over all ranks")] = 10
    epochs: Annotated[int, Meta(ge=1, description="passes through the training images")] = 30
    batch: Annotated[int, Meta(ge=1, description="images of a training step")] = 32
    learning_rate: Annotated[float, Meta(gt=0, description="Adam's step size")] = 0.01
    pretraining_epochs: Annotated[
        int, Meta(ge=0, description="of the transfer study's extractor, on the other eight classes")
    ] = 10
    target_loss: Annotated[float, Meta(gt=0, description="the mean training loss that is good enough")] = 0.45
    seed: Annotated[int, Meta(ge=0, description="seed of the extractor and of the first run; the others follow")] = 0


def _missing(device: str) -> str | None:
    return needs("sklearn", extra="studies")(device) or torch_missing(device)


def _check(parameters: QuantumImagesParameters, ranks: int) -> None:
    check_shares("quantum_images", "seeds", parameters, ranks)
    check_data(parameters.data)


KERNEL = Kernel(
    name="quantum_images",
    version=1,
    summary="quantum image classifiers and classical ones as large, trained: accuracy, and time to a loss",
    parameters=QuantumImagesParameters,
    backends={
        "torch": Backend(
            "ours: circuits batched over images, reverse mode, Adam",
            imported("kernels.quantum.studies.image_workload:QuantumImages"),
            _missing,
        )
    },
    reference="torch",
    scaling="strong: the seeds are divided over the ranks; weak: every rank trains seeds runs",
    grow=growing("seeds"),
    check=_check,
)
