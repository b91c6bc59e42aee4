"""OSU micro-benchmarks' output: each table, from its ``# OSU`` line on, is one launch; its averages are the samples."""

from __future__ import annotations

import re
from pathlib import Path

from harness.store.imports.foreign import make_run
from harness.store.read import StoredFigure, WholeRun

_MEGA = 1e6
# what the headers of tables hold, and other comments do not
_UNITS = ("(us)", "MB/s")
# told by version 7 and later; the usual one has no part in names, so that versions join
_DATATYPE, _USUAL = re.compile(r"# Datatype: (\w+)"), "MPI_CHAR"


def recognises(text: str) -> bool:
    """Whether a text holds a table of these benchmarks."""
    return any(line.startswith("# OSU ") for line in text.splitlines())


def read(text: str, path: Path) -> list[WholeRun]:
    """One run a table and message size.

    Latencies come in microseconds; of a bandwidth in MB/s (10^6 bytes) the time is that of one message, size over
    bandwidth. Without a size (a barrier) the table has one row.
    """
    runs = []
    test, header, datatype, table = "", "", "", 0
    for line in text.splitlines():
        words = line.split()
        if line.startswith("# OSU "):
            test, header, datatype, table = _name_test(line), "", "", table + 1
        elif named := _DATATYPE.match(line):
            datatype = "" if named[1] == _USUAL else named[1]
        elif line.startswith("# ") and any(unit in line for unit in _UNITS):
            header = line
        elif words and test and header and _is_number(words[0]):
            name = ".".join(filter(None, [test, datatype]))
            runs.append(_read_row(name, header, words, f"{path.stem}-{table}"))
    return runs


def _read_row(test: str, header: str, words: list[str], launch: str) -> WholeRun:
    has_size = "Size" in header
    size_bytes, value = (float(words[0]), float(words[1])) if has_size else (0.0, float(words[0]))
    name = f"{test}.{size_bytes:.0f}" if has_size else test
    figures: list[StoredFigure] = []
    if "MB/s" in header:
        figures = [StoredFigure(name="bandwidth", value=value * _MEGA, unit="B/s", better="higher")]
        samples_s = [size_bytes / (value * _MEGA)] if value > 0 and size_bytes > 0 else []
    else:
        samples_s = [value * 1e-6] if value > 0 else []
    is_wrong = words[-1] == "Fail"
    message = "the validation failed" if is_wrong else ""
    return make_run("osu", name, [] if is_wrong else samples_s, launch=launch, figures=figures, message=message)


def _name_test(line: str) -> str:
    """``# OSU MPI Allreduce Latency Test v7.4`` is ``MPI-Allreduce-Latency``, whatever the version."""
    return "-".join(line.removeprefix("# OSU ").partition(" Test")[0].replace("/", " ").split())


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()
