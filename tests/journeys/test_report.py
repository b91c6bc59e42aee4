"""Reporting as a user types it: a page, figures, a comparison, and complaints in one line."""

from __future__ import annotations

from pathlib import Path


def test_a_page_and_figures_tell_what_was_measured_and_what_went_wrong(scalemark):
    assert scalemark("run", "faulty", "--budget-s", "0.05").returncode == 0
    assert scalemark("baseline", "save", "before").returncode == 0
    assert scalemark("run", "faulty", "--set", "fault=wrong", "--budget-s", "0.05").returncode == 1
    done = scalemark("report", "--against", "@before")
    why = "scalemark: exit code 1: 1 case failed, missing or wrong in run\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"scalemark: wrote report.html\n{why}")
    page = Path("report.html").read_text(encoding="utf-8")
    assert "What went wrong" in page
    assert "1 failed, 1 inconclusive: time against @before" in page
    done = scalemark("report", "--format", "svg", "--output", "figures")
    assert done.stderr == f"scalemark: wrote 1 figure to figures\n{why}"
    assert [path.name for path in Path("figures").iterdir()] == ["run.faulty.samples.svg"]


def test_what_cannot_be_written_or_read_is_said_in_one_line(scalemark):
    assert scalemark("run", "faulty", "--budget-s", "0.05").returncode == 0
    Path("file").write_text("")
    for arguments in (["--output", "file/report.html"], ["--results", "nowhere"], ["--against", "@never"]):
        done = scalemark("report", *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
