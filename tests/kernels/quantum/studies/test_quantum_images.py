from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kernels import registry
from kernels.api import InputError, parse_parameters
from kernels.quantum.studies.images import CIFAR_FILES

KERNEL = registry.load("quantum_images")
STUDIES = ("transfer", "quanvolution", "qcnn")
SMALL = {"samples": 60, "seeds": 2, "epochs": 2, "pretraining_epochs": 1}

SHARE = """
import json
from mpi4py import MPI
from kernels import registry
kernel = registry.load("quantum_images")
parameters = kernel.parameters(study="qcnn", samples=60, seeds=3, epochs=2)
workload = kernel.prepare("torch", parameters, MPI.COMM_WORLD)
workload.step()
figures = {figure.name: figure.value for figure in workload.figures(1.0)}
passed = workload.verify().passed
if MPI.COMM_WORLD.rank == 0:
    print(json.dumps([figures["accuracy"], figures["training loss"], passed]))
"""


def train(**values: Any) -> Any:
    missing = KERNEL.backends["torch"].missing("cpu")
    if missing:
        pytest.skip(missing)
    workload = KERNEL.prepare("torch", parse_parameters(KERNEL, {**SMALL, **values}))
    workload.step()
    return workload


def shifted(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda inputs: function(inputs) + 1e-3


def figures_of(workload: Any) -> dict[str, Any]:
    return {figure.name: figure.value for figure in workload.figures(1.0)}


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("network", ["quantum", "classical"])
def test_every_network_passes_its_check_and_learns(study: str, network: str):
    workload = train(study=study, network=network)
    check = workload.verify()
    assert check.passed, check
    assert workload.work().flops > 0
    for history in workload.histories:
        assert history.curve.losses[-1] < history.curve.losses[0]


def test_the_quantum_transfer_tells_two_digits_apart_that_its_extractor_has_never_seen():
    figures = figures_of(train(samples=365, seeds=1, epochs=10, pretraining_epochs=5))
    assert figures["accuracy"] > 0.85
    assert figures["share of seeds at target"] == 1


@pytest.mark.parametrize("study", STUDIES)
def test_the_check_sees_a_wrong_circuit(study: str, monkeypatch: pytest.MonkeyPatch):
    workload = train(study=study, seeds=1)
    network = workload.networks[0]
    if study == "quanvolution":
        network.filter._simulator = workload.study.make(99).filter._simulator
    else:
        circuit = network.block if study == "transfer" else network.circuit
        for name in {"forward", "read"} & set(dir(circuit)):
            monkeypatch.setattr(circuit, name, shifted(getattr(circuit, name)))
    assert not workload.verify().passed


def test_both_kinds_see_the_same_images_in_the_same_order():
    quantum, classical = (train(study="qcnn", network=kind).study for kind in ("quantum", "classical"))
    for first, second in zip(quantum.split(1), classical.split(1), strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)


def test_a_step_repeats_itself():
    workload = train(study="transfer")
    before = [history.curve.losses for history in workload.histories]
    torch.manual_seed(5)
    workload.step()
    assert [history.curve.losses for history in workload.histories] == before


def test_two_ranks_train_the_seeds_of_one(on_two_ranks: Callable[[str], str]):
    workload = train(study="qcnn", seeds=3)
    figures = figures_of(workload)
    accuracy, loss, passed = json.loads(on_two_ranks(SHARE))
    assert passed
    # the ranks' threads may add in another order: one image may be told from another by a rounding error
    image = 1 / len(workload.study.split(0)[1].labels)
    assert accuracy == pytest.approx(figures["accuracy"], abs=1.01 * image)
    assert loss == pytest.approx(figures["training loss"], rel=1e-4)


@pytest.mark.parametrize("study", STUDIES)
def test_a_local_copy_of_cifar_is_trained_on(tmp_path: Path, study: str):
    random = np.random.default_rng(0)
    for name in CIFAR_FILES:
        records = random.integers(0, 256, (20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        records.tofile(tmp_path / name)
    workload = train(study=study, data=str(tmp_path), seeds=1, epochs=1, samples=20)
    assert workload.verify().passed


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match=r"parameter seeds: 2 cannot be divided over 4 ranks"):
        KERNEL.check(KERNEL.parameters(seeds=2), 4)
    with pytest.raises(InputError, match=r"parameter data: no file"):
        KERNEL.check(KERNEL.parameters(data="/nowhere"), 1)


def test_weak_scaling_keeps_the_seeds_of_a_rank():
    assert KERNEL.grow(KERNEL.parameters(seeds=3), 4).seeds == 12
