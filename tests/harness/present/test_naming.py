"""Cases in words: enough to tell them apart, no more, and never two of one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.compare import Comparison
from harness.present.naming import CaseNames, place, shared


def case(kernel="allreduce", backend="gloo", ranks=1, **settings):
    parameters = settings.pop("parameters", {"message_bytes": 65536, "dtype": "float32"})
    case_id = settings.pop("case_id", f"{kernel}.{backend}.{ranks}.{sorted(parameters.items())}")
    common = {"verdict": "same", "stack": "bare", "kernel": kernel, "backend": backend, "ranks": ranks}
    return Comparison(case_id=case_id, parameters=parameters, **(common | settings))


def names_of(*rows):
    names = CaseNames(rows)
    return [names.of(row) for row in rows]


def test_a_name_has_kernel_and_backend_and_what_differs_in_readable_units():
    rows = [case(parameters={"message_bytes": size, "dtype": "float32"}, ranks=2) for size in (1024, 65536)]
    assert names_of(*rows) == ["allreduce gloo, message_bytes=1 KiB", "allreduce gloo, message_bytes=64 KiB"]
    assert shared(rows) == "dtype=float32 · device cpu · stack bare · nodes 1 · ranks 2 · threads 1"


def test_what_differs_between_kernels_only_is_not_told():
    rows = [case(), case(kernel="qcnn_layer", backend="torch", parameters={"qubits": 8}, ranks=2)]
    assert names_of(*rows) == ["allreduce gloo", "qcnn_layer torch"]


def test_scale_stack_and_sweep_are_told_after_the_parameters_where_they_differ():
    rows = [case(ranks=ranks, sweep=sweep) for ranks, sweep in ((1, "strong"), (2, "weak"))]
    assert names_of(*rows) == ["allreduce gloo, ranks 1, sweep strong", "allreduce gloo, ranks 2, sweep weak"]
    assert names_of(case(stack="bare"), case(stack="0123456789ab")) == [
        "allreduce gloo, stack bare", "allreduce gloo, stack 0123456789ab",
    ]  # fmt: skip
    # what was never measured has no stack, which tells nothing
    assert names_of(case(stack="bare"), case(stack="", backend="nccl")) == ["allreduce gloo", "allreduce nccl"]


def test_what_words_do_not_tell_apart_keeps_its_id():
    assert names_of(case(kernel="osu", backend="", parameters={}, case_id="osu.MPI-Barrier")) == ["osu.MPI-Barrier"]
    assert names_of(case(case_id="a.1"), case(case_id="a.2")) == ["allreduce gloo (a.1)", "allreduce gloo (a.2)"]


def test_ids_stand_beside_the_names_only_where_all_of_both_have_room():
    rows = [case(case_id="the.first"), case(ranks=16, case_id="the.second")]
    names = CaseNames(rows)
    wide = ["allreduce gloo, ranks 1   the.first", "allreduce gloo, ranks 16  the.second"]
    assert names.with_ids(rows, len(wide[1])) == wide
    assert names.with_ids(rows, len(wide[1]) - 1) == ["allreduce gloo, ranks 1", "allreduce gloo, ranks 16"]


def test_some_names_stand_for_many():
    rows = [case(ranks=ranks) for ranks in range(1, 6)]
    assert (
        CaseNames(rows).some(rows)
        == "allreduce gloo, ranks 1; allreduce gloo, ranks 2; allreduce gloo, ranks 3 and 2 more"
    )
    assert CaseNames(rows).some(rows[:1]) == "allreduce gloo, ranks 1"


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_programs_get_every_parameter_and_pull_requests_the_name(format_):
    row = case()
    assert CaseNames([row]).columns(row, format_)["parameters"] == row.parameters
    assert CaseNames([row]).columns(row, "markdown") == {"case": "allreduce gloo"}


CASES = st.lists(
    st.builds(
        case,
        kernel=st.sampled_from(["a", "b"]),
        backend=st.sampled_from(["x", "y", ""]),
        ranks=st.integers(1, 3),
        parameters=st.fixed_dictionaries({"p": st.integers(0, 2)}, optional={"q": st.booleans()}),
    ),
    min_size=1,
    max_size=20,
)


@given(CASES)
def test_no_two_cases_share_a_name(rows):
    by_name = {}
    for row, name in zip(rows, names_of(*rows), strict=True):
        assert by_name.setdefault(name, row.case_id) == row.case_id


def test_cases_are_in_the_order_of_their_sizes_not_of_their_digits():
    rows = [case(parameters={"message_bytes": size, "dtype": "float32"}) for size in (8, 64, 1024, 16384)]
    assert sorted(reversed(rows), key=place) == rows
    foreign = [case(kernel="osu", backend="", parameters={}, case_id=f"osu.latency.{size}") for size in (8, 64, 1024)]
    assert sorted(reversed(foreign), key=place) == foreign
