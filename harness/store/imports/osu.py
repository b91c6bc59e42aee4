"""OSU micro-benchmarks' output: each table, from its ``# OSU`` line on, is one launch; its averages are the samples."""

from __future__ import annotations

from pathlib import Path

from harness.store.imports.foreign import make_run
from harness.store.read import StoredFigure, WholeRun

_MEGA = 1e6


def recognises(text: str) -> bool:
    """Whether a text holds a table of these benchmarks."""
    return any(line.startswith("# OSU ") for line in text.splitlines())


def read(text: str, path: Path) -> list[WholeRun]:
    """One run a table and message size.

    Latencies come in microseconds; of a bandwidth in MB/s (10^6 bytes) the time is that of one message, size over
    bandwidth. Without a size (a barrier) the table has one row.
    """
    runs = []
    test, header, table = "", "", 0
    for line in text.splitlines():
        words = line.split()
        if line.startswith("# OSU "):
            test, header, table = _name_test(line), "", table + 1
        elif line.startswith("# ") and ("Latency" in line or "Bandwidth" in line or "Size" in line):
            header = line
        elif words and test and header and _is_number(words[0]):
            runs.append(_read_row(test, header, [float(word) for word in words], path, f"{path.stem}-{table}"))
    return runs


def _read_row(test: str, header: str, values: list[float], path: Path, launch: str) -> WholeRun:
    has_size = "Size" in header
    size_bytes, value = (values[0], values[1]) if has_size else (0.0, values[0])
    name = f"{test}.{size_bytes:.0f}" if has_size else test
    figures: list[StoredFigure] = []
    if "Bandwidth" in header:
        figures = [StoredFigure(name="bandwidth", value=value * _MEGA, unit="B/s", better="higher")]
        samples_s = [size_bytes / (value * _MEGA)] if value > 0 and size_bytes > 0 else []
    else:
        samples_s = [value * 1e-6] if value > 0 else []
    return make_run("osu", name, samples_s, sweep=path.stem, launch=launch, figures=figures)


def _name_test(line: str) -> str:
    """``# OSU MPI Allreduce Latency Test v7.4`` is ``MPI-Allreduce-Latency``, whatever the version."""
    words = line.removeprefix("# OSU ").partition(" Test")[0].split()
    return "-".join(words)


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()
