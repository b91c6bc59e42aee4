"""Plots as data: that they show what was measured, that reference lines are the closed forms, that axes can be read."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.present.report.kernel_section import kernel_plots
from harness.present.report.page import render_page
from harness.present.report.plots import Area, Curve, Dots, linear_axis, log_axis, measured_axis
from harness.store.manifest import write_manifest
from harness.store.write import write_record
from kernels.api import Work

positive = st.floats(1e-9, 1e9)


@given(st.lists(positive, min_size=1, max_size=20))
def test_a_logarithmic_axis_holds_its_values_and_has_ticks_on_it(values):
    axis = log_axis("time", values, str)
    assert all(0 <= axis.place(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks) <= 15
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value, _ in axis.ticks)


@given(positive, st.floats(1e-3, 1e3))
def test_a_linear_axis_has_about_five_round_ticks(low, span):
    axis = linear_axis("share", low, low + span, str)
    assert 2 <= len(axis.ticks) <= 9


def test_texts_of_ticks_have_no_empty_decimals():
    assert [text for _, text in log_axis("", [0.4, 3.0], lambda value: f"{value:.3f}×").ticks] == ["0.5×", "1×", "2×"]
    assert [text for _, text in measured_axis("", [1, 2, 4], str).ticks] == ["1", "2", "4"]


@pytest.fixture
def plots(write_sweep, make_report):
    [section] = make_report(write_sweep(samples=50)).sections
    return {plot.name.rpartition("invented0.")[2]: plot for plot in kernel_plots(section)}


def test_ideal_times_fall_with_the_ranks_from_the_base(plots):
    ideal = next(mark for mark in plots["time.0"].marks if isinstance(mark, Curve) and mark.role == "ideal")
    base = ideal.points[0]
    assert [(x, pytest.approx(base[1] / x)) for x in (1, 2, 4, 8, 16)] == ideal.points


def test_the_fitted_law_runs_through_the_points(plots):
    laws = {mark.backend: mark for mark in plots["time.0"].marks if isinstance(mark, Curve) and mark.role == "law"}
    assert set(laws) == {"good", "partly", "bad", "worst"}
    for x, y in laws["bad"].points:
        assert y == pytest.approx(1e-3 * (0.6 + 0.4 / x), rel=0.03)


def test_one_case_on_two_devices_has_a_law_for_each_of_its_curves(
    tmp_path, make_case, make_record, make_sweep, make_report
):
    """The devices share their series' name, but not their ranks."""
    cases = []
    for device, all_ranks, serial in (("cpu", (1, 2, 4, 8), 0.6), ("cuda", (2, 4, 8, 16), 0.01)):
        for ranks in all_ranks:
            case = make_case(ranks, device=device)
            case = msgspec.structs.replace(case, id=f"{case.id}{device}")
            cases.append(case)
            for repeat in range(3):
                step_s = (serial + (1 - serial) / ranks) * (1 + repeat / 1000)
                write_record(tmp_path, make_record(case, [step_s] * 10, repeat))
    sweep = make_sweep(cases, repeats=3)
    items = [msgspec.structs.replace(item, series="invented.plain.t1.0") for item in sweep.cases]
    write_manifest(tmp_path, msgspec.structs.replace(sweep, cases=items))
    [section] = make_report(tmp_path).sections
    laws = [mark for plot in kernel_plots(section) for mark in plot.marks if getattr(mark, "role", "") == "law"]
    assert sorted([x for x, _ in law.points][-1] for law in laws) == [8, 16]


def test_efficiencies_stand_where_amdahl_puts_them(plots):
    dots = next(mark for mark in plots["efficiency.0"].marks if isinstance(mark, Dots) and mark.backend == "partly")
    found = [dot.y for dot in dots.dots]
    assert found == pytest.approx([1 / (0.05 * ranks + 0.95) for ranks in (1, 2, 4, 8, 16)], rel=0.03)
    assert all(dot.low <= dot.y <= dot.high for dot in dots.dots[1:])


def test_distributions_hold_every_case_and_ranks_every_rank(plots):
    areas = [mark for mark in plots["samples"].marks if isinstance(mark, Area)]
    assert len(areas) == len(plots["samples"].y.ticks) == 20
    assert all(area.outline[0][1] == area.outline[-1][1] for area in areas)
    shares = [dot.x for mark in plots["ranks"].marks if isinstance(mark, Dots) for dot in mark.dots]
    assert len(shares) == 4 * (2 + 4 + 8 + 16)
    assert min(shares) == pytest.approx(0.9)
    assert max(shares) == pytest.approx(1.1)


def test_the_past_of_a_case_has_a_level_for_each_segment_and_is_told_first(write_sweep, make_report):
    for index, factor in enumerate((1.0, 1.0, 1.0, 1.3, 1.3, 1.3)):
        folder = write_sweep(factor=factor, commit=f"{index}abcdef0123", samples=5)
    report = make_report(folder)
    plots = [plot for plot in kernel_plots(report.sections[0]) if ".history." in plot.name]
    assert len(plots) == 12
    before, after = (mark for mark in plots[0].marks if isinstance(mark, Curve))
    assert after.points[0][1] / before.points[0][1] == pytest.approx(1.3, rel=0.03)
    assert "after 2abcdef012" in after.tip
    (dots,) = (mark for mark in plots[0].marks if isinstance(mark, Dots))
    assert len(dots.dots) == 6
    assert all(dot.low <= dot.y <= dot.high for dot in dots.dots)
    page = render_page(report)
    assert "Of 20 cases with a past, 20 changed in it." in page
    assert page.index("worse</span>") < page.index("Time of a step")


def test_one_commit_is_no_past(write_sweep, make_report):
    report = make_report(write_sweep())
    assert report.sections[0].histories == []
    assert "with a past" not in render_page(report)


def test_the_roof_is_bandwidth_and_then_arithmetic(tmp_path, make_case, make_record, make_sweep, make_report):
    case = make_case()
    work = Work(items=1.0, item="step", flops=1e9, memory_bytes=1e9)
    limits = {"memory_s": 0.1, "compute_s": 0.01}
    write_record(tmp_path, make_record(case, [0.2, 0.2], work=work, limits=limits))
    write_manifest(tmp_path, make_sweep([case]))
    plot = next(plot for plot in kernel_plots(make_report(tmp_path).sections[0]) if plot.name.endswith("roofline"))
    roof = next(mark for mark in plot.marks if isinstance(mark, Curve))
    # 10 GB/s and 100 Gflop/s meet at 10 flop a byte
    assert roof.points == [(0.5, pytest.approx(5e9)), (2.0, pytest.approx(2e10)), (10.0, pytest.approx(1e11))]
    [dots] = [mark for mark in plot.marks if isinstance(mark, Dots)]
    assert (dots.dots[0].x, dots.dots[0].y) == (1.0, pytest.approx(5e9))
    assert math.isclose(plot.y.place(plot.y.high), 1)
