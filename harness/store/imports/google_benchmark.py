"""Google Benchmark's JSON (``--benchmark_format=json``): repetitions are samples of the one launch that a file is."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.store.imports.foreign import SECONDS, make_run
from harness.store.read import WholeRun


class _Benchmark(Struct):
    name: str
    run_name: str = ""
    run_type: str = "iteration"
    aggregate_name: str = ""
    real_time: float = 0.0
    time_unit: str = "ns"
    error_occurred: bool = False
    error_message: str = ""


class _Document(Struct):
    context: dict[str, Any]
    benchmarks: list[_Benchmark]


def recognises(document: Any) -> bool:
    """Whether parsed JSON is Google Benchmark's."""
    return "context" in document and "benchmarks" in document


def read(document: Any, path: Path) -> list[WholeRun]:
    """One run a benchmark; where only aggregates were written, the median of the repetitions is the sample."""
    found = msgspec.convert(document, _Document)
    single: dict[str, list[float]] = defaultdict(list)
    median: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, str] = {}
    for item in found.benchmarks:
        name = item.run_name or item.name
        if item.error_occurred:
            errors[name] = item.error_message or "an error without a message"
        elif item.run_type == "iteration":
            single[name].append(item.real_time * SECONDS[item.time_unit])
        elif item.aggregate_name == "median":
            median[name].append(item.real_time * SECONDS[item.time_unit])
    context = found.context
    environment = {
        "hosts": [context.get("host_name", "")],
        "cpu": {"threads": context.get("num_cpus"), "frequency_mhz": context.get("mhz_per_cpu")},
    }
    return [
        make_run(
            "google-benchmark",
            name,
            [] if name in errors else single.get(name) or median[name],
            launch=path.stem,
            started=str(context.get("date", "")),
            message=errors.get(name, ""),
            environment=environment,
        )
        for name in dict.fromkeys([*single, *median, *errors])
    ]
