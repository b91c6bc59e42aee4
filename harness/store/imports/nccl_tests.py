"""nccl-tests' output: each table is one launch; sizes are cases, out-of-place and in-place apart."""

from __future__ import annotations

import re
from pathlib import Path

from harness.store.imports.foreign import make_run
from harness.store.read import StoredFigure, WholeRun

_GIGA = 1e9
# what begins the columns of a place: the time, on the GPU or (option -C) of the host
_TIMES = ("time", "cputime")
_COLUMNS = ("algbw", "busbw")
_PLACES = ("out-of-place", "in-place")
_TEST = re.compile(r"(?:Collective test starting:\s*|/|^|\s)(\w+_perf)\b")


def recognises(text: str) -> bool:
    """Whether a text holds a table of these tests."""
    return all(name in text for name in _COLUMNS)


def read(text: str, path: Path) -> list[WholeRun]:
    """One run a table, size and place; a row whose check found wrong elements has failed.

    The test is named as the output names it, if it does. Times are microseconds; bandwidths are 10^9 bytes a second.
    """
    runs = []
    test, table, header = "", 0, [""]
    for line in text.splitlines():
        named = _TEST.search(line)
        if named and named[1] != test:
            test = named[1]
        words = line.removeprefix("#").split()
        if line.startswith("#") and all(name in words for name in _COLUMNS):
            table, header = table + 1, words
        elif not line.startswith("#") and table and words and words[0].isdigit():
            runs += _read_row(test, words, header, f"{path.stem}-{table}")
    return runs


def _read_row(test: str, words: list[str], header: list[str], launch: str) -> list[WholeRun]:
    """A run a place. Versions differ in what stands before the first time, and behind each (extremes, percentiles)."""
    name = ".".join(filter(None, [test, *words[2:4], words[0]]))
    starts = [index for index, word in enumerate(header) if word in _TIMES and index < len(words)]
    return [
        _read_place(f"{name}.{place}", words[start : start + 4], header[start + 3 : start + 4], launch)
        for place, start in zip(_PLACES, starts, strict=False)
    ]


def _read_place(name: str, words: list[str], check: list[str], launch: str) -> WholeRun:
    time_us, *bandwidths = (float(word) for word in words[:3])
    # older versions print the largest error instead of the number of wrong elements, and all "N/A" without a check
    wrong = float(words[3]) if check == ["#wrong"] and words[3:] not in ([], ["N/A"]) else 0.0
    figures = [
        StoredFigure(name=figure, value=value * _GIGA, unit="B/s", better="higher")
        for figure, value in zip(("algorithm_bandwidth", "bus_bandwidth"), bandwidths, strict=True)
    ]
    return make_run(
        "nccl-tests",
        name,
        [time_us * 1e-6] if time_us > 0 and not wrong else [],
        launch=launch,
        message=f"{wrong:.0f} wrong elements" if wrong else "",
        figures=figures,
    )
