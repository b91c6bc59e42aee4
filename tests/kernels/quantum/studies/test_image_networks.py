from __future__ import annotations

import pytest
import torch

from kernels.quantum.studies.image_networks import (
    ClassicalConvolutional,
    ClassicalQuanvolved,
    Convolutional,
    Quanvolved,
    Transfer,
    count_weights,
    make_extractor,
)


def pairs() -> dict:
    extractor = make_extractor(1).requires_grad_(False)
    kinds = ("quantum", "classical")
    return {
        "transfer": [Transfer(kind, extractor) for kind in kinds],
        "quanvolution": [Quanvolved((8, 8), 0, "cpu"), ClassicalQuanvolved((8, 8))],
        "qcnn": [Convolutional(), ClassicalConvolutional()],
    }


@pytest.mark.parametrize(
    ("study", "weights"), [("transfer", [166, 166]), ("quanvolution", [626, 624]), ("qcnn", [63, 63])]
)
def test_both_kinds_have_as_many_weights_but_for_two(study: str, weights: list[int]):
    assert [count_weights(network) for network in pairs()[study]] == weights


@pytest.mark.parametrize("study", ["transfer", "quanvolution", "qcnn"])
def test_both_kinds_have_outputs_of_one_shape_and_range(study: str):
    images = torch.rand(3, 1, 8, 8)
    outputs = [network(network.encode(images)) for network in pairs()[study]]
    assert outputs[0].shape == outputs[1].shape
    assert study != "qcnn" or all(output.abs().max() <= 1 for output in outputs)
