"""Kernel ``material_identification``: how long until material parameters are read off strains, and how well.

The workflow of the thesis's chapter 4: records of simulated tensile tests, and a multi-task network that is trained on
eight tenths of them, stopped by one and judged by the last. The thesis's loss is 0.0386; beside the network stand a
searched one, boosted trees and a response surface.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from kernels.api import Backend, InputError, Kernel, Parameters
from kernels.declaring import check_at_most, cpu_only, growing, imported, needs


class MaterialIdentificationParameters(Parameters, frozen=True):
    """The data set, the network, its training and when its loss is good enough."""

    records: Annotated[
        int, Meta(ge=20, description="records of the data set, a tenth to validate, a tenth to test")
    ] = 256
    shards: Annotated[int, Meta(ge=1, description="files that hold the data set")] = 4
    components: Annotated[int, Meta(ge=1, description="principal components that whitened strains have")] = 60
    batch: Annotated[int, Meta(ge=2, description="samples of a training step, over all ranks")] = 128
    width: Annotated[int, Meta(ge=1, description="channels of the network's first convolution")] = 16
    epochs: Annotated[int, Meta(ge=1, description="passes through the training records at most")] = 4
    train_s: Annotated[
        float,
        Meta(ge=0, description="seconds that training takes at most, its schedule fitted to them; 0: epochs alone"),
    ] = 0.0
    learning_rate: Annotated[float, Meta(gt=0, description="Adam's step size, as its schedule has it")] = 2e-3
    target_loss: Annotated[
        float, Meta(ge=0, description="the validation loss that ends training; the default is the thesis's")
    ] = 0.0386
    trees: Annotated[int, Meta(ge=1, description="boosted trees for each label")] = 20
    seed: Annotated[int, Meta(ge=0, description="seed of data set, split, weights and orders")] = 0


_NETWORKS = "kernels.training.identification.workload"
_CLASSICAL = "kernels.training.identification.classical"
_missing = cpu_only("trains on the CPU")


def _trees_missing(device: str) -> str | None:
    return _missing(device) or needs("sklearn", extra="studies")(device)


def _check(parameters: MaterialIdentificationParameters, ranks: int) -> None:
    check_at_most("material_identification", "shards", "records", parameters)
    # an edge search takes batches from half the training records; a rank's batch normalisation wants two samples
    smallest = min(parameters.batch, parameters.records * 8 // 10 // 2)
    if smallest < 2 * ranks:
        raise InputError(
            f"kernel material_identification: parameter batch: found {smallest} for {ranks} ranks; right would be "
            f"{2 * ranks} or more, and records for two batches"
        )


KERNEL = Kernel(
    name="material_identification",
    version=2,
    summary="material parameters from strains: a multi-task network trained to a loss, and its rivals",
    parameters=MaterialIdentificationParameters,
    backends={
        "mtl": Backend(
            "the multi-task network, data-parallel", imported(f"{_NETWORKS}:NetworkIdentification"), _missing
        ),
        "nas": Backend(
            "two networks, the edges between them searched", imported(f"{_NETWORKS}:SearchedIdentification"), _missing
        ),
        "random-edges": Backend(
            "two networks, random edges between them", imported(f"{_NETWORKS}:RandomIdentification"), _missing
        ),
        "trees": Backend(
            "boosted trees on principal components", imported(f"{_CLASSICAL}:TreesIdentification"), _trees_missing
        ),
        "surface": Backend(
            "a quadratic response surface on them", imported(f"{_CLASSICAL}:SurfaceIdentification"), _missing
        ),
    },
    reference="mtl",
    scaling="strong: a batch (trees: labels; surface: records) is divided over the ranks; weak: the batch grows",
    grow=growing("batch"),
    check=_check,
)
