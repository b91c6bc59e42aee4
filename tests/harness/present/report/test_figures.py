"""Figures for a paper: as many as the page has plots, vectors, with the fonts in them, the same each time."""

from __future__ import annotations

import msgspec
import pytest

from harness.present.report.figures import write_figures
from harness.present.report.kernel_section import kernel_plots
from harness.store.manifest import write_manifest
from harness.store.write import write_record

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'scalemark[report]'")


def test_pdf_embeds_its_fonts(write_sweep, make_report, tmp_path):
    report = make_report(write_sweep())
    paths = write_figures(report, "pdf", tmp_path / "figures")
    assert len(paths) == len(kernel_plots(report.sections[0])) == 4
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"%PDF")
        assert b"/FontFile2" in content
        assert b"/Subtype /Image" not in content


def test_svg_needs_no_font_and_is_the_same_each_time(write_sweep, make_report, tmp_path):
    report = make_report(write_sweep())
    first, second = (write_figures(report, "svg", tmp_path / name) for name in ("first", "second"))
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"<text" not in one.read_bytes()


def test_names_that_are_no_file_names_stay_in_the_folder(tmp_path, make_case, make_record, make_sweep, make_report):
    case = msgspec.structs.replace(make_case(kernel="../up $x$"), id="odd")
    write_record(tmp_path, make_record(case, [1.0, 1.2]))
    write_manifest(tmp_path, make_sweep([case]))
    [path] = write_figures(make_report(tmp_path), "png", tmp_path / "figures")
    assert path.parent == tmp_path / "figures"
    assert path.read_bytes().startswith(b"\x89PNG")
