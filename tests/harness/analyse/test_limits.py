import msgspec
import pytest

from harness.analyse.limits import binding_limit
from harness.analyse.tabulate import make_rows
from harness.store.read import Run


@pytest.fixture
def row_of(make_case, make_record, make_sweep):
    """The row of one case whose launches took so long and had these limits."""

    def row(*launches):
        case = make_case()
        records = [make_record(case, [time_s], repeat, limits=found) for repeat, (time_s, found) in enumerate(launches)]
        runs = [msgspec.json.decode(msgspec.json.encode(record), type=Run) for record in records]
        return make_rows(make_sweep([case], repeats=len(launches)), runs)[0]

    return row


def test_the_longest_limit_binds(row_of):
    row = row_of((2.0, {"compute_s": 0.5, "network_latency_s": 1.0}))
    assert (row.bound, row.fraction_of_bound) == ("network latency", 0.5)
    assert not row.beats_bound


@pytest.mark.parametrize(("limit_s", "beats"), [(1.04, False), (1.06, True)])
def test_beyond_five_per_cent_the_count_is_wrong(row_of, limit_s, beats):
    assert row_of((1.0, {"memory_s": limit_s})).beats_bound is beats


def test_of_several_launches_the_middle_limit_counts(row_of):
    row = row_of((1.0, {"memory_s": 0.1}), (1.0, {"memory_s": 0.2}), (1.0, {"memory_s": 0.9}))
    assert row.fraction_of_bound == pytest.approx(0.2)


def test_without_limits_nothing_binds(row_of):
    row = row_of((1.0, {}))
    assert (row.bound, row.fraction_of_bound) == (None, None)
    assert binding_limit([]) is None
