import math

import msgspec
import pytest

from harness.analyse.compare import compare
from harness.analyse.side import read_side
from harness.store.manifest import write_manifest
from harness.store.record import Environment, LaunchInfo, Stack, Timer
from harness.store.write import write_record
from kernels.api import Check, Figure, InputError

STEADY = (1.0, 1.001, 0.999, 1.002, 0.998)


def environment(**settings):
    common = {
        "hosts": ["here"],
        "cpu": {"model": "a processor", "cores": 2, "threads": 2},
        "memory_bytes": 1,
        "gpus": [],
        "operating_system": "Linux",
        "python": "3.11",
        "libraries": {"numpy": "2.0"},
        "mpi": {"library": "MPICH 4"},
        "code": {"commit": "a" * 40},
        "placement": {},
        "variables": {},
        "load_average": 0.0,
    }
    return Environment(**(common | settings))


@pytest.fixture
def side(tmp_path, make_case, make_record):
    """Writes launches of cases, given as times by case, and reads them back as one side."""

    def write(name, times, metric="time", **settings):
        for problem, values in times.items():
            case = make_case(problem=problem, kernel_version=settings.get("kernel_version", 1))
            for repeat, value in enumerate(values):
                pair = f"pair{repeat}" if settings.get("paired") else ""
                launch = LaunchInfo(id=name, repeat=repeat, launcher="none", pair=pair)
                common = {"launch": launch, "environment": settings.get("environment", environment())}
                more = settings.get("record", {})
                common["run_id"] = f"{repeat:03d}-{more.get('synchronisation', 'barrier')}"
                record = make_record(case, [value], repeat, **(common | more))
                write_record(tmp_path / name, record)
        return read_side(str(tmp_path / name), tmp_path, (), metric)

    return write


def verdicts(table):
    return {row.case_id.rpartition(".")[2]: row.verdict for row in table.rows}


def slowed(factor):
    return [time * factor for time in STEADY]


def test_cases_join_by_id_and_each_gets_its_verdict(side):
    base = side("base", {"as_it_was": STEADY, "slow": STEADY, "fast": STEADY, "gone": STEADY})
    new = side("new", {"as_it_was": STEADY, "slow": slowed(1.1), "fast": slowed(0.9), "fresh": STEADY})
    table = compare(base, new)
    assert verdicts(table) == {
        "as_it_was": "same", "slow": "slower", "fast": "faster", "gone": "missing", "fresh": "new",
    }  # fmt: skip
    slow = next(row for row in table.rows if row.verdict == "slower")
    assert slow.ratio == pytest.approx(1.1)
    assert slow.low < 1.1 < slow.high
    assert (slow.base, slow.new) == (pytest.approx(1.0, rel=1e-5), pytest.approx(1.1, rel=1e-5))


def test_a_launch_that_failed_or_answered_wrongly_makes_the_case_failed(side, tmp_path, make_case, make_record):
    base = side("base", {"x": STEADY, "y": STEADY})
    side("new", {"x": STEADY, "y": STEADY})
    write_record(tmp_path / "new", make_record(make_case(problem="x"), repeat=7, status="timeout", message="too long"))
    wrong = Check(error=1.0, tolerance=0.1, reference="itself")
    write_record(tmp_path / "new", make_record(make_case(problem="y"), repeat=7, check=wrong, message="wrong"))
    table = compare(base, read_side(str(tmp_path / "new"), tmp_path))
    assert verdicts(table) == {"x": "failed", "y": "failed"}
    assert [row.message for row in table.rows] == [
        "timeout: too long (in 1 of 6 launches)",
        "wrong (in 1 of 6 launches)",
    ]
    # the other way round there was no good result to be worse than
    assert set(verdicts(compare(read_side(str(tmp_path / "new"), tmp_path), base)).values()) == {"new"}


def test_what_the_new_sweep_asks_for_and_did_not_measure_is_missing(side, tmp_path, make_case, make_sweep):
    base = side("base", {"x": STEADY})
    side("new", {"x": STEADY})
    write_manifest(tmp_path / "new", make_sweep([make_case(problem="x"), make_case(problem="never")]))
    table = compare(base, read_side(str(tmp_path / "new"), tmp_path))
    assert verdicts(table) == {"x": "same", "never": "missing"}


def test_kernel_versions_and_machines_that_differ_are_refused_unless_told(side):
    base = side("base", {"x": STEADY})
    newer = side("newer", {"x": STEADY}, kernel_version=2)
    other = side("other", {"x": STEADY}, environment=environment(cpu={"model": "another", "cores": 2}))
    with pytest.raises(InputError, match="kernel version 1 in BASE, 2 in NEW"):
        compare(base, newer)
    with pytest.raises(InputError, match=r"measured on a processor, .* in BASE, another, 2 cores in NEW"):
        compare(base, other)
    assert verdicts(compare(base, newer, allowed=["kernel-version"])) == {"x": "same"}
    assert verdicts(compare(base, other, allowed=["machine"])) == {"x": "same"}


def test_one_refused_case_among_others_stays_inconclusive_with_the_reason(side, tmp_path):
    base = side("base", {"x": STEADY, "y": STEADY})
    side("new", {"x": STEADY})
    new = side("new", {"y": STEADY}, kernel_version=2)
    table = compare(base, new)
    assert verdicts(table) == {"x": "same", "y": "inconclusive"}
    assert "kernel version" in table.rows[1].message


def test_differences_that_matter_are_listed_and_equal_things_are_not(side):
    base = side("base", {"x": STEADY})
    changed = environment(libraries={"numpy": "2.1", "torch": "2.13"}, variables={"OMP_NUM_THREADS": "1"})
    new = side("new", {"x": STEADY}, environment=changed)
    told = {item.what: (item.base, item.new) for item in compare(base, new).differences}
    assert told == {"libraries.numpy": ("2.0", "2.1"), "libraries.torch": ("absent", "2.13")}


def test_two_stacks_meet_when_each_side_has_one_and_equal_stacks_meet_first(side):
    image = {"stack": Stack(name="image", sha256="b" * 64)}
    base = side("base", {"x": STEADY})
    new = side("new", {"x": slowed(1.2)}, record=image)
    table = compare(base, new)
    assert verdicts(table) == {"x": "slower"}
    assert table.rows[0].stack == "b" * 12
    assert ("stack", "bare", "b" * 12) in [(item.what, item.base, item.new) for item in table.differences]
    side("both", {"x": STEADY}, record={"run_id": "bare"})
    both = side("both", {"x": slowed(1.2)}, record=image)
    assert [(row.stack, row.verdict) for row in compare(base, both).rows] == [("bare", "same"), ("b" * 12, "new")]


def test_a_case_of_two_sweeps_is_judged_in_each(side):
    def in_both(name, weak):
        side(name, {"x": STEADY}, record={"sweep": "strong"})
        return side(name, {"x": slowed(weak)}, record={"sweep": "weak"})

    table = compare(in_both("base", 1.0), in_both("new", 1.2))
    assert [(row.sweep, row.verdict) for row in table.rows] == [("strong", "same"), ("weak", "slower")]
    assert table.differences == []


def test_what_cannot_run_is_bad_only_where_it_ran_before(side, tmp_path, make_case, make_record):
    def unavailable(name):
        write_record(tmp_path / name, make_record(make_case(problem="x"), status="unavailable", message="needs a GPU"))
        return side(name, {"y": STEADY})

    good, bad, worse = side("good", {"x": STEADY, "y": STEADY}), unavailable("bad"), unavailable("worse")
    assert verdicts(compare(bad, worse)) == {"x": "unavailable", "y": "same"}
    assert verdicts(compare(good, worse)) == {"x": "failed", "y": "same"}
    assert verdicts(compare(bad, good)) == {"x": "new", "y": "same"}


def test_paired_launches_are_compared_as_pairs(side):
    drift = (1.0, 1.1, 0.9, 1.2, 0.8)
    steady = (1.031, 1.029, 1.030, 1.032, 1.028)
    base = side("base", {"x": drift}, paired=True)
    new = side("new", {"x": [time * factor for time, factor in zip(drift, steady, strict=True)]}, paired=True)
    (row,) = compare(base, new, threshold=0.02).rows
    assert (row.verdict, row.pairs) == ("slower", 5)
    assert "from 5 pairs" in row.message
    unpaired = side("unpaired", {"x": [time * 1.03 for time in drift]})
    assert compare(base, unpaired, threshold=0.02).rows[0].verdict == "inconclusive"


def test_one_launch_a_side_is_inconclusive_whatever_its_samples_say(side):
    (row,) = compare(side("base", {"x": [1.0]}), side("new", {"x": [2.0]})).rows
    assert row.verdict == "inconclusive"
    assert "one launch" in row.message
    assert (row.base, row.new, row.ratio, row.low, row.high) == (1.0, 2.0, 2.0, None, None)


def test_a_row_tells_what_its_case_is_and_how_coarse_the_clock_was(side, make_case):
    def timed(name, resolution_s):
        return side(name, {"x": STEADY}, record={"timer": Timer(clock="x", resolution_s=resolution_s, cost_s=1e-8)})

    (row,) = compare(timed("base", 1e-9), timed("new", 4e-8)).rows
    assert {name: getattr(row, name) for name in make_case().describe()} == make_case(problem="x").describe()
    assert row.resolution_s == 4e-8
    assert compare(side("old", {"x": STEADY}), side("older", {"x": STEADY})).rows[0].resolution_s is None


def test_a_figure_of_merit_is_worse_in_its_own_direction(side):
    def with_figure(name, value, better):
        figures = [Figure(name="rate", value=value, better=better)]
        return side(name, {"x": STEADY}, "rate", record={"figures": figures})

    assert verdicts(compare(with_figure("a", 2.0, "higher"), with_figure("b", 1.0, "higher"), metric="rate")) == {
        "x": "slower"
    }
    assert verdicts(compare(with_figure("c", 2.0, "lower"), with_figure("d", 1.0, "lower"), metric="rate")) == {
        "x": "faster"
    }
    with pytest.raises(InputError, match="no better direction"):
        compare(with_figure("e", 2.0, "neither"), with_figure("f", 1.0, "neither"), metric="rate")
    with pytest.raises(InputError, match="no figure of merit 'speed'; right would be: time, rate"):
        compare(with_figure("g", 2.0, "higher"), with_figure("h", 1.0, "higher"), metric="speed")
    undefined = compare(with_figure("i", 2.0, "higher"), with_figure("j", math.nan, "higher"), metric="rate")
    assert "not a positive number" in undefined.rows[0].message


def test_a_superseded_launch_does_not_count(side, tmp_path, make_case, make_record):
    base = side("base", {"x": STEADY})
    side("new", {"x": slowed(2.0)})
    for repeat, value in enumerate(STEADY):
        again = make_record(make_case(problem="x"), [value], repeat, run_id=f"{repeat}-again", ended="2030-01-01")
        write_record(tmp_path / "new", again)
    assert verdicts(compare(base, read_side(str(tmp_path / "new"), tmp_path))) == {"x": "same"}


@pytest.mark.parametrize(
    "strange", ["5", "[]", '{"cpu": "fast", "code": 3}', '{"cpu": {"model": ["x"]}, "gpus": null}', '{"gpus": [1]}']
)
def test_an_environment_of_another_shape_is_unknown_and_crashes_nothing(side, tmp_path, strange):
    base = side("base", {"x": STEADY})
    side("new", {"x": STEADY})
    known = msgspec.json.encode(environment()).decode()
    for path in (tmp_path / "new").rglob("*.json"):
        path.write_text(path.read_text().replace(known, strange))
    assert verdicts(compare(base, read_side(str(tmp_path / "new"), tmp_path))) == {"x": "same"}


def test_results_that_share_no_case_are_no_question(side):
    with pytest.raises(InputError, match="no case in common"):
        compare(side("base", {"x": STEADY}), side("new", {"y": STEADY}))


def test_a_barrier_does_not_compare_with_a_window_unless_asked_for(side):
    base = side("base", {"case": STEADY})
    new = side("new", {"case": slowed(1.2)}, record={"synchronisation": "window"})
    with pytest.raises(InputError, match="synchronised by barrier in BASE, window in NEW"):
        compare(base, new)
    table = compare(base, new, allowed=("synchronisation",))
    assert verdicts(table) == {"case": "slower"}
    assert ("synchronisation", "barrier", "window") in {(item.what, item.base, item.new) for item in table.differences}


def test_where_both_sides_have_both_each_synchronisation_meets_its_own(side):
    side("base", {"case": STEADY})
    base = side("base", {"case": slowed(3)}, record={"synchronisation": "window"})
    side("new", {"case": STEADY})
    new = side("new", {"case": slowed(3.6)}, record={"synchronisation": "window"})
    rows = compare(base, new).rows
    assert [(row.synchronisation, row.verdict, row.base_launches) for row in rows] == [
        ("barrier", "same", 5),
        ("window", "slower", 5),
    ]


def test_an_allowed_kernel_version_is_told_above_the_verdicts(side):
    base, new = side("base", {"case": STEADY}), side("new", {"case": STEADY}, kernel_version=2)
    (difference,) = compare(base, new, allowed=("kernel-version",)).differences
    assert (difference.what, difference.base, difference.new) == ("kernel version of invented", "1", "2")
