import msgspec
import pytest

from harness.analyse.history import make_history
from harness.analyse.side import Outcome, Side
from kernels.api import InputError


@pytest.fixture
def make_side(make_case):
    """A side whose commits, in order, were measured by three launches each at these times."""

    def make(times_by_commit, name="results", better="lower", cpu="a processor"):
        case = make_case()
        outcomes, environments = [], []
        for number, (commit, time_s) in enumerate(times_by_commit.items()):
            environments.append({"code": {"commit": commit, "dirty": False}, "cpu": {"model": cpu}})
            for repeat, factor in enumerate((0.999, 1.0, 1.001)):
                outcomes.append(
                    Outcome(
                        run_id=f"{commit}-{repeat}", sweep="trial", stack="bare", repeat=repeat, pair="", status="ok",
                        message="", is_right=True, value=time_s * factor, samples=1, kernel_version=1,
                        environment=number, started="", ended=f"2026-01-{number + 1:02d}T00:00:0{repeat}",
                    )
                )  # fmt: skip
        return Side(
            name=name, cases={case.id: case}, outcomes={case.id: outcomes}, asked={}, environments=environments,
            damages=[], better=better, figures=set(),
        )  # fmt: skip

    return make


def test_a_change_has_its_commit_range_its_size_and_an_interval(make_side):
    (history,) = make_history([make_side({"c1": 1.0, "c2": 1.0, "c3": 1.2, "c4": 1.2})], "invented")
    before, after = history.segments
    assert (before.first, before.last, after.changed_after, after.first, after.last) == ("c1", "c2", "c2", "c3", "c4")
    assert after.ratio == pytest.approx(1.2, rel=1e-3)
    assert after.low < after.ratio < after.high
    assert (after.points, after.launches, after.when[:10]) == (2, 6, "2026-01-03")
    assert history.is_worse


def test_only_the_newest_segment_counts_as_worse_and_in_the_metrics_direction(make_side):
    repaired = {"c1": 1.0, "c2": 1.0, "c3": 1.5, "c4": 1.5, "c5": 1.0, "c6": 1.0}
    assert not make_history([make_side(repaired)], "invented")[0].is_worse
    rising = {"c1": 1.0, "c2": 1.0, "c3": 1.5, "c4": 1.5}
    assert not make_history([make_side(rising, better="higher")], "invented")[0].is_worse
    falling = {"c1": 1.5, "c2": 1.5, "c3": 1.0, "c4": 1.0}
    assert make_history([make_side(falling, better="higher")], "invented")[0].is_worse


def test_a_launch_that_lies_in_a_baseline_too_counts_once(make_side):
    commits = {"c1": 1.0, "c2": 1.0}
    (history,) = make_history([make_side(commits, "baseline"), make_side(commits)], "invented")
    assert [len(point.logs) for point in history.points] == [3, 3]


def test_launches_of_another_machine_are_left_out_and_told(make_side):
    old = make_side({"c1": 1.0}, cpu="another")
    late = make_side({"c0": 9.0, "c2": 1.0, "c3": 1.0})
    (history,) = make_history([old, late], "invented")
    assert [point.label for point in history.points] == ["c0", "c2", "c3"]
    assert history.left_out == "3 launches of another machine or kernel version"


def test_a_machine_is_another_for_what_compare_takes_it_for(make_side):
    """More threads make another machine; one that is not known is taken to be the same."""
    cores = {"model": "a processor", "cores": 2}
    sides = [make_side({f"c{index}": 1.0}) for index in range(3)]
    for index, cpu in enumerate(({**cores, "threads": 4}, {}, {**cores, "threads": 2})):
        sides[index].environments[0]["cpu"] = cpu
        for outcome in sides[index].outcomes.values():
            outcome[:] = [msgspec.structs.replace(item, ended=f"2026-01-0{index + 1}") for item in outcome]
    (history,) = make_history(sides, "invented")
    assert [point.label for point in history.points] == ["c1", "c2"]
    assert history.left_out.startswith("3 launches of another machine")


def test_windows_and_barriers_are_two_histories(make_side):
    side = make_side({"c1": 1.0, "c2": 2.0})
    ((case_id, outcomes),) = side.outcomes.items()
    windows = [msgspec.structs.replace(item, synchronisation="window") for item in outcomes if item.value > 1.5]
    side.outcomes[case_id] = [item for item in outcomes if item.value < 1.5] + windows
    histories = make_history([side], "invented")
    assert [(item.synchronisation, item.points[0].label) for item in histories] == [("barrier", "c1"), ("window", "c2")]
    assert not any(item.is_worse for item in histories)


def test_days_are_points_when_asked_for_or_where_no_commit_is_known(make_side):
    side = make_side({"": 1.0})
    assert make_history([side], "invented")[0].points[0].label == "2026-01-01"
    assert make_history([make_side({"c1": 1.0})], "invented", by="date")[0].points[0].label == "2026-01-01"


def test_a_kernel_that_nobody_measured_is_no_question(make_side):
    with pytest.raises(InputError, match=r"no finished launch of kernel 'invent' with time; did you mean 'invented'\?"):
        make_history([make_side({"c1": 1.0})], "invent")
    empty = msgspec.structs.replace(make_side({"c1": 1.0}), outcomes={})
    with pytest.raises(InputError, match="no finished launch"):
        make_history([empty], "invented")
