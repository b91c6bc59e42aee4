from __future__ import annotations

import os
import time

import msgspec
import pytest

from harness.case import Case, CaseGroup, Sweep, SweepCase, SweepFile, expand
from harness.launch.plan import check_fits_here, left_over, plan_launches, plan_pairs
from harness.store.record import Stack
from kernels import nothing, registry
from kernels.api import InputError

BARE = Stack()
BASE = Stack(name="main@0123456789ab", path="/somewhere")


def bare(case: Case) -> list[Stack]:
    return [BARE]


def make_sweep(cases: int = 4, repeats: int = 3, **fields: object) -> Sweep:
    group = CaseGroup(kernel="nothing", set={"index": list(range(cases))})
    return expand(SweepFile(**{"name": "s", "repeats": repeats, "ranks_per_node": (1, 2), "cases": (group,), **fields}))


def test_every_case_is_in_one_launch_of_its_scale_a_repeat() -> None:
    sweep = make_sweep()
    launches = plan_launches(sweep, bare, set())
    found = [(launch.repeat, case.id) for launch in launches for case in launch.cases]
    assert sorted(found) == sorted((repeat, item.case.id) for repeat in range(3) for item in sweep.cases)
    assert all(case.scale == launch.scale for launch in launches for case in launch.cases)
    assert [launch.repeat for launch in launches] == sorted(launch.repeat for launch in launches)


def test_what_is_measured_is_left_out() -> None:
    sweep = make_sweep()
    done = {(item.case.id, BARE.key, repeat) for item in sweep.cases for repeat in (0, 2)}
    assert {launch.repeat for launch in plan_launches(sweep, bare, done)} == {1}
    assert plan_launches(sweep, bare, done | {(item.case.id, BARE.key, 1) for item in sweep.cases}) == []


def test_each_repeat_has_an_order_of_its_own() -> None:
    launches = plan_launches(make_sweep(cases=50, ranks_per_node=(1,)), bare, set())
    assert len({tuple(case.id for case in launch.cases) for launch in launches}) == 3


def test_base_and_candidate_take_turns_with_the_same_cases_in_the_same_order() -> None:
    launches = plan_pairs(make_sweep(), lambda case: (BASE, BARE), {})
    halves = list(zip(launches[::2], launches[1::2], strict=True))
    assert all(first.pair == second.pair and first.pair for first, second in halves)
    assert all(first.cases == second.cases and first.repeat == second.repeat for first, second in halves)
    assert [first.stack for first, _ in halves] == [BASE] * 2 + [BARE] * 2 + [BASE] * 2
    assert len({first.pair for first, _ in halves}) == 6


def test_a_pair_that_lacks_a_half_is_measured_whole() -> None:
    sweep = make_sweep(cases=2, ranks_per_node=(1,))
    one, other = (item.case.id for item in sweep.cases)
    done = {(one, BASE.key, 0): "p", (one, BARE.key, 0): "p", (other, BASE.key, 0): "p"}
    first, second, *rest = plan_pairs(sweep, lambda case: (BASE, BARE), done)
    assert [[case.id for case in launch.cases] for launch in (first, second)] == [[other], [other]]
    assert {launch.repeat for launch in rest} == {1, 2}
    everything = plan_pairs(sweep, lambda case: (BASE, BARE), {})
    left = left_over(everything, done)
    assert [(launch.stack, launch.pair) for launch in left] == [(launch.stack, launch.pair) for launch in everything]
    assert [[case.id for case in launch.cases] for launch in left[:2]] == [[other], [other]]


def test_halves_measured_apart_or_against_another_base_are_no_pair() -> None:
    sweep = make_sweep(cases=1, repeats=1, ranks_per_node=(1,))
    case = sweep.cases[0].case.id
    base, bare_ = (case, BASE.key, 0), (case, BARE.key, 0)
    launches = plan_pairs(sweep, lambda case: (BASE, BARE), {})
    for done in ({base: "", bare_: ""}, {base: "first", bare_: "second"}, {base: "first", bare_: ""}):
        assert len(plan_pairs(sweep, lambda case: (BASE, BARE), done)) == 2
        assert left_over(launches, done) == launches
    together = {base: "first", bare_: "first"}
    assert plan_pairs(sweep, lambda case: (BASE, BARE), together) == left_over(launches, together) == []


def test_of_launches_without_partners_only_the_cases_that_are_lacking_are_left() -> None:
    sweep = make_sweep(cases=2, repeats=1, ranks_per_node=(1,))
    launches = plan_launches(sweep, lambda case: [BASE, BARE], set())
    case = sweep.cases[0].case.id
    assert [len(launch.cases) for launch in left_over(launches, {(case, BASE.key, 0): ""})] == [1, 2]


def test_backends_whose_threads_call_mpi_have_launches_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make_sweep(cases=2, repeats=1, ranks_per_node=(1,))
    special = msgspec.structs.replace(registry.load("nothing").backend("python"), threads_call_mpi=True)
    backends = {**registry.load("nothing").backends, "special": special}
    monkeypatch.setattr(nothing, "KERNEL", msgspec.structs.replace(nothing.KERNEL, backends=backends))
    others = [
        SweepCase(msgspec.structs.replace(item.case, backend="special", id=f"{item.case.id}s"), item.series)
        for item in sweep.cases
    ]
    both = msgspec.structs.replace(sweep, cases=[*sweep.cases, *others])
    for launches in (plan_launches(both, bare, set()), plan_pairs(both, lambda case: (BASE, BARE), {})):
        assert all(len({case.threads_call_mpi for case in launch.cases}) == 1 for launch in launches)
        assert {launch.cases[0].threads_call_mpi for launch in launches} == {False, True}


def time_plan(cases: int) -> float:
    """Processor seconds to plan so many cases, at best of three."""
    found_s = []
    for _ in range(3):
        started_s = time.process_time()
        sweep = make_sweep(cases=cases // 2, repeats=1)
        assert sum(len(launch.cases) for launch in plan_launches(sweep, bare, set())) == cases
        found_s.append(time.process_time() - started_s)
    return min(found_s)


def test_ten_thousand_cases_are_planned_in_no_time_and_each_costs_what_one_of_a_thousand_does() -> None:
    many_s = time_plan(10_000)
    assert many_s < 2
    # twice, for what a busy machine adds: what grew with the cases would cost ten times as much
    assert many_s / 10 < 2 * time_plan(1000)


def test_more_ranks_than_cores_are_refused_before_anything_starts() -> None:
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(InputError, match=f"{cores + 1} ranks × 1 threads, but this machine gives {cores} cores"):
        check_fits_here(make_sweep(ranks_per_node=(cores + 1,)))
    with pytest.raises(InputError, match="2 nodes, but this is one machine"):
        check_fits_here(make_sweep(nodes=(2,)))
