from __future__ import annotations

import pytest

from kernels import registry
from kernels.api import InputError, parse_parameters


@pytest.mark.parametrize("name", registry.names())
def test_every_kernels_defaults_pass_its_own_check_on_one_rank(name: str) -> None:
    kernel = registry.load(name)
    parameters = kernel.parameters()
    kernel.check(parameters, 1)
    kernel.check(kernel.grow(parameters, 2), 2)
    assert kernel.reference in kernel.backends


@pytest.mark.parametrize("name", registry.names())
def test_what_backends_declare_to_take_are_values_of_the_kernels_parameters(name: str) -> None:
    kernel = registry.load(name)
    for backend in kernel.backends.values():
        for parameter, values in backend.takes.items():
            for value in values:
                parse_parameters(kernel, {parameter: value})
    assert kernel.backends[kernel.reference].refusal(kernel.parameters(), 1) is None


def test_alone_a_backend_is_refused_what_it_does_not_take() -> None:
    kernel = registry.load("parallel_training")
    with pytest.raises(InputError, match="backend torch-data takes accuracy_steps=0, not 3"):
        kernel.prepare("torch-data", kernel.parameters(accuracy_steps=3))
    with pytest.raises(InputError, match="backend torch-gpipe takes 2 ranks or more, not 1"):
        kernel.prepare("torch-gpipe")
