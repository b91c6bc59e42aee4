import msgspec

from harness.analyse.laws.fitted import FittedLaw, Parameter
from harness.analyse.scaling import ScalingTable, TableRow
from harness.present.analysis import describe_law, render_laws
from harness.present.table import render

USL = FittedLaw(
    sweep="trial",
    kernel="invented",
    backend="fast",
    series="invented.fast.t1.0",
    case_id="a",
    stack="bare",
    mode="strong",
    over="ranks",
    points=[1, 2, 4, 8],
    law="usl",
    formula="T = ...",
    parameters=[Parameter("t1_s", 1.5e-3, 1.4e-3, 1.6e-3), Parameter("peak_ranks", 21.8)],
    residual=0.01,
    leave_one_out_error=0.02,
    constant_error=0.7,
)


def test_a_law_is_a_sentence_that_marks_what_was_not_measured():
    assert describe_law(USL) == (
        "usl: T = ...; t1 1.50 ms [1.40 ms … 1.60 ms], peak_ranks 21.8 (beyond what was measured); left out points are "
        "missed by 2.0 %, by a constant by 70 %; 4 points, 1 to 8 ranks"
    )


def first_row(**settings):
    common = {"kernel": "invented", "backend": "fast", "nodes": 1, "ranks": 1, "threads": 1, "status": "ok"}
    told = {"sweep": "trial", "case_id": "a", "stack": "bare", "parameters": {"size_bytes": 1024}}
    return TableRow(**(common | told | settings))


def test_a_law_names_its_series_by_what_tells_it_from_the_others():
    assert render_laws([USL], [first_row()], "text").startswith("invented fast  usl: ")
    stack, size = ({"stack": "abc"}, {"case_id": "b", "parameters": {"size_bytes": 64}})
    laws = [USL, msgspec.structs.replace(USL, stack="abc"), msgspec.structs.replace(USL, case_id="b")]
    rows = [first_row(), first_row(**stack), first_row(**size)]
    assert [line.split("  ")[0] for line in render_laws(laws, rows, "text").splitlines()] == [
        "invented fast, size_bytes=1 KiB, stack bare",
        "invented fast, size_bytes=1 KiB, stack abc",
        "invented fast, size_bytes=64 B, stack bare",
    ]


def test_laws_as_csv_have_one_line_a_series_with_parameters_as_json():
    head, line = render_laws([USL], [], "csv").splitlines()
    assert head.startswith("sweep,kernel,backend,series")
    assert '""name"":""t1_s""' in line


def test_the_law_of_a_series_of_enough_points_stands_below_its_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rows = [
        TableRow(
            sweep="trial",
            case_id=f"invented.fast.n1r{ranks}t1.0",
            kernel="invented",
            backend="fast",
            parameters={},
            nodes=1,
            ranks=ranks,
            threads=1,
            stack="bare",
            status="ok",
            mode="strong",
            series="invented.fast.t1.0",
            median_s=0.1 + 0.9 / ranks,
            launch_median_s=[(0.1 + 0.9 / ranks) * noise for noise in (0.999, 1.0, 1.001)],
        )
        for ranks in (1, 2, 4, 8)
    ]
    text = render([ScalingTable(sweep="trial", mode="strong", rows=rows)], "text")
    assert "invented fast: amdahl: T = t1 (f + (1 - f) / p); t1 1.00 s, f 0.100" in text
    assert "amdahl" not in render([ScalingTable(sweep="trial", mode="strong", rows=rows[:2])], "text")
