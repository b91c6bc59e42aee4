"""pytest-benchmark's JSON: rounds are samples where ``--benchmark-save-data`` kept them, else their median is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.store.imports.foreign import make_run
from harness.store.read import WholeRun


class _Stats(Struct):
    median: float
    data: list[float] = []


class _Benchmark(Struct):
    fullname: str
    stats: _Stats


class _Machine(Struct):
    node: str = ""
    cpu: dict[str, Any] = {}
    python_version: str = ""
    machine: str = ""


class _Document(Struct):
    benchmarks: list[_Benchmark]
    machine_info: _Machine
    commit_info: dict[str, Any] = {}
    datetime: str = ""


def recognises(document: Any) -> bool:
    """Whether parsed JSON is pytest-benchmark's."""
    return "machine_info" in document and "benchmarks" in document


def read(document: Any, path: Path) -> list[WholeRun]:
    """One run a benchmark."""
    found = msgspec.convert(document, _Document)
    machine = found.machine_info
    environment = {
        "hosts": [machine.node],
        "cpu": {
            "model": machine.cpu.get("brand_raw", ""),
            "architecture": machine.machine,
            "threads": machine.cpu.get("count"),
        },
        "python": machine.python_version,
        "code": {"commit": found.commit_info.get("id", "")},
    }
    return [
        make_run(
            "pytest-benchmark",
            item.fullname,
            item.stats.data or [item.stats.median],
            launch=path.stem,
            started=found.datetime,
            environment=environment,
        )
        for item in found.benchmarks
    ]
