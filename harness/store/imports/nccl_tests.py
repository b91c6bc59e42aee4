"""nccl-tests' output: each table is one launch; sizes are cases, out-of-place and in-place apart."""

from __future__ import annotations

import re
from pathlib import Path

from harness.store.imports.foreign import make_run
from harness.store.read import StoredFigure, WholeRun

_GIGA = 1e9
_COLUMNS = ("time", "algbw", "busbw")
_PLACES = ("out-of-place", "in-place")
_TEST = re.compile(r"(?:Collective test starting:\s*|/|^|\s)(\w+_perf)\b")


def recognises(text: str) -> bool:
    """Whether a text holds a table of these tests."""
    return "busbw" in text and "algbw" in text


def read(text: str, path: Path) -> list[WholeRun]:
    """One run a table, size and place; a row whose check found wrong elements has failed.

    The test is named as the output names it, if it does. Times are microseconds; bandwidths are 10^9 bytes a second.
    """
    runs = []
    test, table, words_before = "", 0, 0
    for line in text.splitlines():
        named = _TEST.search(line)
        if named and named[1] != test:
            test = named[1]
        words = line.removeprefix("#").split()
        if line.startswith("#") and all(name in words for name in _COLUMNS):
            # size, count, type, redop and, since version 2.13, root stand before the first time
            table, words_before = table + 1, words.index("time")
        elif not line.startswith("#") and words_before and words and words[0].isdigit():
            runs += _read_row(test, words, words_before, path, f"{path.stem}-{table}")
    return runs


def _read_row(test: str, words: list[str], words_before: int, path: Path, launch: str) -> list[WholeRun]:
    name = ".".join(filter(None, [test, *words[2:4], words[0]]))
    runs = []
    for place, start in zip(_PLACES, range(words_before, len(words), 4), strict=False):
        time_us, *bandwidths = (float(word) for word in words[start : start + 3])
        wrong = words[start + 3] if start + 3 < len(words) else "N/A"
        # older versions print the largest error instead of the number of wrong elements
        is_wrong = wrong.isdigit() and int(wrong) > 0
        figures = [
            StoredFigure(name=figure, value=value * _GIGA, unit="B/s", better="higher")
            for figure, value in zip(("algorithm_bandwidth", "bus_bandwidth"), bandwidths, strict=True)
        ]
        runs.append(
            make_run(
                "nccl-tests",
                f"{name}.{place}",
                [] if is_wrong or time_us <= 0 else [time_us * 1e-6],
                sweep=path.stem,
                launch=launch,
                message=f"{wrong} wrong elements" if is_wrong else "",
                figures=figures,
            )
        )
    return runs
