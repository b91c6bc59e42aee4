import csv
import io
import json
import re

import msgspec
import pytest

from harness.analyse.scaling import ScalingTable, TableRow
from harness.present.table import render


@pytest.fixture
def make_row():
    def make(ranks=1, backend="fast", **settings):
        row = {
            "sweep": "trial",
            "case_id": f"invented.{backend}.n1r{ranks}t1.0",
            "kernel": "invented",
            "backend": backend,
            "parameters": {"message_bytes": 65536, "dtype": "float32"},
            "nodes": 1,
            "ranks": ranks,
            "threads": 1,
            "stack": "bare",
            "status": "ok",
            "series": f"invented.{backend}.t1.0",
            "launches": 3,
            "samples": 300,
            "median_s": 12.3e-6,
            "low_s": 11.9e-6,
            "high_s": 12.7e-6,
            "min_s": 1e-6,
            "p99_s": 2e-5,
            "rate": 1 / 3,
            "rate_unit": "step/s",
            "figures": {"bandwidth": 0.1, "cache": "cold"},
            "figure_units": {"bandwidth": "B/s", "cache": ""},
        }
        return TableRow(**(row | settings))

    return make


@pytest.fixture
def draw(monkeypatch):
    """The text of rows at a terminal's width."""

    def drawn(*rows, width=120, mode="strong"):
        monkeypatch.setenv("COLUMNS", str(width))
        return render([ScalingTable(sweep="trial", mode=mode, rows=list(rows))], "text")

    return drawn


DESIGNED = """
sweep case_id kernel backend parameters nodes ranks threads stack status launches samples median_s low_s high_s min_s
p99_s rate rate_unit speedup efficiency bound fraction_of_bound check_error figures
"""


def test_json_has_the_designed_columns_with_exact_numbers(make_row):
    (row,) = json.loads(render([ScalingTable(sweep="trial", mode="strong", rows=[make_row()])], "json"))
    assert " ".join(row).startswith(" ".join(DESIGNED.split()))
    assert row["rate"] == 1 / 3
    assert row["parameters"] == {"message_bytes": 65536, "dtype": "float32"}
    assert row["figures"] == {"bandwidth": 0.1, "cache": "cold"}
    assert row["speedup"] is None


def test_csv_tells_the_same_as_json(make_row):
    table = ScalingTable(
        sweep="trial", mode="strong", rows=[make_row(), make_row(2, status="failed", message='a "b", c\nd')]
    )
    objects = json.loads(render([table], "json"))
    lines = list(csv.DictReader(io.StringIO(render([table], "csv"))))
    assert len(lines) == len(objects)
    for line, row in zip(lines, objects, strict=True):
        assert list(line) == list(row)
        for name, value in row.items():
            if isinstance(value, str):
                assert line[name] == value
            else:
                assert (json.loads(line[name]) if line[name] else None) == value


def test_markdown_is_a_table_without_empty_columns(make_row):
    text = render([ScalingTable(sweep="trial", mode="strong", rows=[make_row(message="a | b")])], "markdown")
    head, rule, line = text.splitlines()
    assert head.count("|") == rule.count("|") == line.replace("\\|", "").count("|")
    assert " median_s |" in head
    assert "speedup" not in head
    assert "message_bytes=65536, dtype=float32" in line
    assert "a \\| b" in line


def test_text_shows_scaling_and_the_fastest_backend(make_row, draw):
    base, base_slow = "invented.fast.n1r1t1.0", "invented.slow.n1r1t1.0"
    text = draw(
        make_row(1, peer_speedup=15.2, speedup=1.0, efficiency=1.0, base_case_id=base),
        make_row(2, peer_speedup=14.0, speedup=1.5, efficiency=0.75, base_case_id=base),
        make_row(1, "slow", peer_speedup=1.0, speedup=1.0, efficiency=1.0, base_case_id=base_slow),
        make_row(2, "slow", peer_speedup=1.0, speedup=1.8, efficiency=0.9, base_case_id=base_slow),
        # on two ranks alone, so its own base
        make_row(2, "pair", speedup=1.0, efficiency=1.0, base_case_id="invented.pair.n1r2t1.0"),
    )
    assert "invented  strong scaling  sweep trial" in text
    assert "fastest: fast at 2 of 2 points" in text
    assert "efficiency at 2 ranks: fast 75 %, slow 90 %\n" in text
    first, second = [line for line in text.splitlines() if "12.3 µs" in line][:2]
    assert "base" in first
    assert "15.2×" in first
    assert "1.50×" in second
    assert "75 %" in second
    assert "fast" not in second
    assert "message_bytes=65536 dtype=float32 · device cpu · stack bare · nodes 1 · threads 1" in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_text_keeps_to_the_width_and_always_shows_the_case_its_time_interval_and_efficiency(make_row, draw, width):
    base = "invented.fast.n1r1t1.0"
    rows = [make_row(ranks, speedup=1.0, efficiency=1 / ranks, base_case_id=base) for ranks in (1, 2)]
    text = draw(*rows, width=width)
    assert max(map(len, text.splitlines())) <= width
    (head,) = [line.split() for line in text.splitlines() if "backend" in line]
    assert {"backend", "ranks", "median", "±", "efficiency"} <= set(head)
    assert ("p99" in head) == (width >= 120)


def test_what_all_rows_share_stands_below_and_takes_no_room(make_row, draw):
    parameters = {name: "a word that takes room" for name in ("storage", "form")}
    rows = [make_row(backend=name, parameters={**parameters, "storage": name * 9}) for name in ("fast", "slow")]
    text = draw(*rows, width=60)
    (head,) = [line.split() for line in text.splitlines() if "backend" in line]
    assert head == ["storage", "backend", "median", "±"]
    assert "form=a word that takes room · device cpu · stack bare" in text
    assert "nodes 1 · ranks 1 · threads 1" in " ".join(text.split())


def test_empty_parameters_go_without_saying(make_row, draw):
    assert "dataset" not in draw(make_row(parameters={"dataset": "", "seed": 0}))
    assert "seed=0 · device" in draw(make_row(parameters={"dataset": "", "seed": 0}))


def test_nothing_scales_at_a_single_rank_count(make_row, draw):
    assert "strong" not in draw(make_row(2), make_row(2, "slow"))


def test_the_figure_that_a_kernel_names_first_stands_before_rates_and_bounds_where_there_is_little_room(make_row, draw):
    settings = {"peer_speedup": 2.0, "bound": "network latency", "fraction_of_bound": 0.5}
    figures = {"bubble": 0.25, "least": 0.125}
    piped = make_row(figures=figures, figure_units=dict.fromkeys(figures, ""), **settings)
    local = make_row(backend="local", figures={"exposed": 1e-3}, figure_units={"exposed": "s"}, **settings)
    order = ["bubble", "exposed", "vs", "step/s", "of", "least", "bound"]
    for width in range(40, 120):
        lines = draw(piped, local, width=width).splitlines()
        words = next(line for line in lines if line.startswith("backend")).split()
        shown = [name in words for name in order[: 2 + (width > 80) * 2]]
        assert shown == sorted(shown, reverse=True), width
    assert {"bubble", "exposed"} <= set(draw(piped, local, width=60).split())


def test_columns_without_room_are_counted_and_the_width_that_they_take_is_told_right(make_row, draw):
    last = draw(make_row(), width=75).splitlines()[-1]
    count, wanted = map(int, re.fullmatch(r"(\d+) more columns .*COLUMNS=(\d+).* --format csv", last).groups())
    assert count > 1
    assert "wider terminal" not in draw(make_row(), width=wanted)
    assert "1 more column " in draw(make_row(), width=wanted - 1)


def test_no_width_is_asked_for_that_no_terminal_has(make_row, draw):
    row = make_row(figures={"histogram": "12 " * 300}, figure_units={"histogram": ""})
    last = draw(row, width=300).splitlines()[-1]
    assert last.rstrip() == "1 more column in --format csv"


def test_the_legend_explains_the_columns_that_are_shown_and_no_others(make_row, draw):
    legend = draw(make_row(), width=200).splitlines()[-1]
    assert legend.startswith("median: ")
    assert "±: " in legend
    for absent in ("speed-up", "vs slowest", "of bound", "✗", "~"):
        assert absent not in legend
    peers = draw(make_row(peer_speedup=2.0), make_row(2, backend="slow", status="missing"), width=400)
    assert "vs slowest: " in peers
    assert "✗: not a result" in peers


def test_text_marks_what_is_no_result_and_says_why(make_row, draw):
    nothing = {"median_s": None, "low_s": None, "high_s": None, "rate": None, "figures": {}}
    text = draw(
        make_row(1),
        make_row(2, check_passed=False, message="the check failed: error 0.3"),
        make_row(4, status="out_of_memory", message="memory ran out", **nothing),
        *[make_row(8 + more, status="missing", message="not measured yet", **nothing) for more in range(5)],
    )
    marked = [line for line in text.splitlines() if line.startswith("✗")]
    assert sum("12.3 µs" in line for line in marked) == 1
    assert sum("out of memory" in line for line in marked) == 2
    assert "✗ the check failed: error 0.3  invented fast, ranks 2" in text
    assert "✗ missing: not measured yet" in text
    assert "and 2 more" in text


def test_parameters_that_grow_with_the_ranks_stand_beside_them(make_row, draw):
    text = draw(
        *[
            make_row(ranks, parameters={"batch": 64 * ranks, "storage": storage}, series=f"invented.fast.t1.{storage}")
            for storage in ("cold", "warm")
            for ranks in (1, 2)
        ],
        mode="weak",
    )
    head = next(line for line in text.splitlines() if "backend" in line)
    assert head.split()[:4] == ["storage", "backend", "ranks", "batch"]


def test_a_sweep_without_cases_says_so(draw):
    assert "no cases" in draw()


def test_the_limit_stands_beside_how_near_it_is_and_beyond_it_is_marked(draw, make_row):
    text = draw(
        make_row(bound="memory", fraction_of_bound=0.42),
        make_row(2, bound="network latency", fraction_of_bound=1.3),
    )
    assert "42 %  memory" in text
    assert "! 130 %  network latency" in text
    assert "! faster than the limit of network latency allows: most likely the machine was busy" in text
    assert "invented fast, ranks 2" in text.partition("! faster")[2]


def test_beyond_the_limit_is_said_without_a_mark_where_the_marked_column_has_no_room(draw, make_row):
    text = draw(make_row(bound="memory", fraction_of_bound=1.3), width=40)
    assert "of bound" not in text
    assert "faster than the limit of memory allows" in text
    assert "!" not in text


def test_times_near_the_resolution_of_the_clock_are_marked_and_the_mark_is_explained(draw, make_row):
    text = draw(make_row(median_s=3.9e-6, resolution_s=40e-9), make_row(2, median_s=4.1e-6, resolution_s=40e-9))
    assert "~ 3.90 µs" in text
    assert text.count("~") == 2
    assert "~ shorter than 100 steps of the clock (40.0 ns), so samples may be wrong by over 1 %" in text


def test_times_of_a_few_readings_of_the_clock_are_marked_too(draw, make_row):
    text = draw(make_row(median_s=1.9e-6, resolution_s=1e-9, timer_cost_s=1e-7))
    assert "~ 1.90 µs" in text
    assert "~ shorter than 20 readings of the clock (100 ns each): they may be over 5 %" in text


def test_steps_that_missed_their_window_are_told_below_the_table(draw, make_row):
    windows = {"synchronisation": "window"}
    text = draw(make_row(missed_windows=0.02, **windows), make_row(2, missed_windows=0.083, **windows))
    assert "synchronisation window" in text
    assert "2.0 % to 8.3 % of the steps in windows missed theirs, because a rank was late; they do not count" in text
    assert "missed" not in draw(make_row(), make_row(2))


def test_energy_is_told_to_be_not_measured_once_and_only_then(draw, make_row):
    assert draw(make_row(), make_row(2), width=300).count("energy not measured") == 1
    text = draw(make_row(figures={"energy": 1.0}, figure_units={"energy": "J"}), width=300)
    assert "not measured" not in text


def test_a_wide_table_has_the_serial_fraction(draw, make_row):
    rows = [make_row(ranks, speedup=1.0, base_case_id="invented.fast.n1r1t1.0") for ranks in (1, 2)]
    rows[1] = msgspec.structs.replace(rows[1], speedup=1.6, serial_fraction=0.25)
    text = draw(*rows, width=300)
    assert "serial" in text
    assert "25 %" in text


def test_a_row_at_its_limit_is_not_complained_of(draw, make_row):
    assert "!" not in draw(make_row(bound="memory", fraction_of_bound=1.04))


def test_many_figures_of_one_case_stand_below_each_other(draw, make_row):
    names = [f"rate_{index}" for index in range(9)]
    row = make_row(figures=dict.fromkeys(names, 1e9), figure_units=dict.fromkeys(names, "B/s"))
    lines = draw(row, width=80).splitlines()
    assert sum(line.startswith("rate ") and line.endswith("1.00 GB/s") for line in lines) == 9
