from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.doctor.tree import format_cpus, parse_cpus


@given(st.sets(st.integers(0, 300)).map(sorted))
def test_a_list_of_cpus_is_read_as_it_was_written(cpus: list[int]) -> None:
    assert parse_cpus(format_cpus(cpus)) == cpus


@pytest.mark.parametrize(("text", "cpus"), [("0-3,8,10-11", [0, 1, 2, 3, 8, 10, 11]), ("0", [0]), ("", [])])
def test_the_kernels_lists(text: str, cpus: list[int]) -> None:
    assert parse_cpus(text) == cpus
