import io
import time

import pytest
from rich.console import Console

from harness.case import Scale
from harness.present.progress import LogObserver, TerminalObserver, make_observer


def measure(observer, case, runs, failing=()):
    observer.planned(runs)
    observer.launch_started(Scale(ranks_per_node=2), runs)
    for index in range(runs):
        observer.run_started(case)
        observer.run_ended(case, "timeout" if index in failing else "ok", "too [slow]" if index in failing else "")
    observer.close()


@pytest.mark.parametrize(("runs", "most", "fewest"), [(0, 0, 0), (3, 5, 5), (200, 202, 202), (1000, 103, 102)])
def test_a_log_has_at_most_a_line_a_run_and_fewer_for_many(make_case, runs, most, fewest):
    stream = io.StringIO()
    case = make_case()
    measure(make_observer([case], stream), case, runs)
    assert fewest <= len(stream.getvalue().splitlines()) <= most


def test_a_log_tells_every_failure_and_sums_up(make_case, monkeypatch):
    # however long a busy machine takes to print
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    stream = io.StringIO()
    case = make_case()
    measure(make_observer([case, make_case(2)], stream), case, 1000, failing={3, 4})
    lines = stream.getvalue().splitlines()
    assert sum(f"invented plain, ranks 1, {case.id}: timeout: too [slow]" in line for line in lines) == 2
    assert lines[-2].endswith("  invented plain, ranks 1: ok")
    assert lines[0] == "measuring 1,000 runs"
    assert lines[-1] == "measured 1,000 of 1,000 runs in 0:00:00, 2 failed"


def test_what_takes_time_beside_the_cases_is_told(make_case):
    for is_terminal in (False, True):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=True, width=100)
        observer = TerminalObserver(console, {}) if is_terminal else make_observer([], stream)
        observer.planned(1)
        observer.run_started(make_case(), "calibrating")
        observer.close()
        assert ": calibrating" in stream.getvalue()


def test_a_terminal_shows_a_bar_and_keeps_only_failures(make_case):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    case = make_case(2)
    measure(TerminalObserver(console, {}), case, 4, failing={1})
    text = stream.getvalue()
    assert f"{case.id}: timeout: too [slow]" in text
    assert "1 failed" in text
    assert "4/4" in text
    assert "invented plain on 2 ranks" in text


def test_the_observer_suits_the_stream():
    assert isinstance(make_observer([], io.StringIO()), LogObserver)
