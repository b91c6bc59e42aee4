from __future__ import annotations

import pytest

from kernels.api import InputError, parse_parameters
from kernels.training.mtl_step import KERNEL, MtlStepParameters


def test_weak_scaling_keeps_the_batch_of_a_rank() -> None:
    assert KERNEL.grow(MtlStepParameters(batch=32), 3).batch == 96


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (MtlStepParameters(batch=3), "batch: 3 cannot be divided over 4 ranks"),
        (MtlStepParameters(batch=100, records=64), "batch: found 100; right would be at most records=64"),
        (MtlStepParameters(batch=8, records=8, shards=9), "shards: found 9; right would be at most records=8"),
    ],
)
def test_what_cannot_be_divided_is_refused(parameters: MtlStepParameters, message: str) -> None:
    with pytest.raises(InputError, match=message):
        KERNEL.check(parameters, 4)


@pytest.mark.parametrize("values", [{"batch": "0"}, {"learning_rate": "0"}, {"width": "wide"}])
def test_values_out_of_range_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        parse_parameters(KERNEL, values)


def test_a_missing_compiler_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "install g++" in (KERNEL.backend("compile").missing("cpu") or "")
    assert KERNEL.backend("eager").missing("cpu") is None
