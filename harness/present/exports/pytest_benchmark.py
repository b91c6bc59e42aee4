"""pytest-benchmark's JSON, so that ``pytest-benchmark compare`` and whatever reads its files work on our results.

The format knows no launches: their samples are pooled, so its statistics weigh launches by their samples and its
deviations do not tell those within a launch from those between launches.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import msgspec

from harness.analyse.scaling import TableRow
from harness.present.exports.measured import Measured
from harness.present.naming import CaseNames
from harness.store.read import WholeRun, decode_environment

_VERSION = "4.0.0"


def render(measured: Measured, format_: str) -> bytes:
    """One benchmark a case; its rounds are the samples of all launches, one after the other."""
    by_row = measured.runs_by_row()
    names = CaseNames(measured.rows)
    newest = max(measured.runs, key=lambda run: run.ended, default=None)
    environment = decode_environment(newest.environment) if newest else {}
    document = {
        "machine_info": _machine(environment),
        "commit_info": {"id": (environment.get("code") or {}).get("commit", "")},
        "benchmarks": [
            _benchmark(row, names.details(row), by_row[row.key]) for row in measured.rows if row.key in by_row
        ],
        "datetime": newest.ended if newest else "",
        "version": _VERSION,
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _machine(environment: dict[str, Any]) -> dict[str, Any]:
    cpu = environment.get("cpu") or {}
    return {
        "node": ", ".join(environment.get("hosts") or []),
        "machine": cpu.get("architecture", ""),
        "cpu": {"brand_raw": cpu.get("model", ""), "count": cpu.get("threads")},
        "python_version": environment.get("python", ""),
        "system": environment.get("operating_system", ""),
    }


def _benchmark(row: TableRow, details: str, runs: list[WholeRun]) -> dict[str, Any]:
    """A benchmark; what tells it from the others in words is its ``param``, which pytest puts into brackets."""
    return {
        "group": row.kernel,
        "name": f"{row.case_id}[{details}]" if details else row.case_id,
        "fullname": f"{row.sweep}::{row.case_id}",
        "params": row.parameters,
        "param": details or None,
        "extra_info": {
            "stack": row.stack,
            "nodes": row.nodes,
            "ranks": row.ranks,
            "threads": row.threads,
            "launches": len(runs),
        },
        "options": {"timer": "perf_counter", "warmup": True},
        "stats": _stats([sample for run in runs for sample in run.samples_s]),
    }


def _stats(samples_s: list[float]) -> dict[str, Any]:
    """The statistics as pytest-benchmark computes them, in seconds; outliers by Tukey's fences and by one deviation."""
    count = len(samples_s)
    low, median, high = statistics.quantiles(samples_s, n=4, method="inclusive") if count > 1 else samples_s * 3
    mean = math.fsum(samples_s) / count
    deviation = statistics.stdev(samples_s) if count > 1 else 0.0
    fences = low - 1.5 * (high - low), high + 1.5 * (high - low)
    inside = [sample for sample in samples_s if fences[0] <= sample <= fences[1]]
    far = sum(abs(sample - mean) > deviation for sample in samples_s)
    return {
        "min": min(samples_s),
        "max": max(samples_s),
        "mean": mean,
        "stddev": deviation,
        "rounds": count,
        "iterations": 1,
        "median": median,
        "iqr": high - low,
        "q1": low,
        "q3": high,
        "ld15iqr": min(inside),
        "hd15iqr": max(inside),
        "iqr_outliers": count - len(inside),
        "stddev_outliers": far,
        "outliers": f"{far};{count - len(inside)}",
        "ops": 1 / mean if mean > 0 else 0.0,
        "total": math.fsum(samples_s),
        "data": samples_s,
    }
