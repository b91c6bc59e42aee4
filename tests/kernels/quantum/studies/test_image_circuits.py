from __future__ import annotations

import torch

from kernels.quantum.studies.image_circuits import (
    DressedCircuit,
    DressedReference,
    Quanvolution,
    QuanvolutionReference,
    draw_filter,
)


def test_the_dressed_circuit_is_that_of_textbook_gates():
    torch.manual_seed(0)
    circuit = DressedCircuit(depth=3).double()
    torch.nn.init.uniform_(circuit.weights, 0, 6)
    angles = torch.rand(5, 4, dtype=torch.float64) * 3
    torch.testing.assert_close(circuit(angles), DressedReference(circuit)(angles), atol=1e-13, rtol=0)


def test_gradients_flow_to_weights_and_angles():
    circuit = DressedCircuit(depth=2).double()
    angles = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(circuit, (angles,))
    circuit(angles)[:, 0].sum().backward()
    assert circuit.weights.grad is not None
    assert circuit.weights.grad.abs().max() > 0


def test_a_patch_becomes_four_channels_at_its_place():
    images = torch.zeros(2, 1, 4, 6)
    images[1, 0, 2:4, 4:6] = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    layer = Quanvolution(seed=3, device="cpu")
    features = layer(images)
    assert features.shape == (2, 4, 2, 3)
    torch.testing.assert_close(features.double(), QuanvolutionReference(layer)(images.double()), atol=1e-6, rtol=0)
    changed = (features[1] - features[0]).abs().amax(dim=0) > 1e-6
    assert changed.nonzero().tolist() == [[1, 2]]


def test_a_filter_has_a_rotation_for_each_qubit_behind_the_encoding():
    for seed in range(5):
        layer = draw_filter(seed).gates[4:]
        assert sum(gate.name != "cx" for gate in layer) == 4
    assert draw_filter(0) != draw_filter(1)
