"""A sweep of invented results that scale in known ways, as large as asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analyse import tabulate
from harness.present.report.content import Report
from harness.present.report.page import render_page
from harness.store.manifest import write_manifest
from harness.store.record import Environment
from harness.store.write import write_record
from harness.workflow.report import gather
from kernels.api import Work

SUPPORT = Path(__file__).parents[3] / "support"
RANKS = (1, 2, 4, 8, 16)
# of each backend, the serial share of its work (Amdahl)
SERIAL = {"good": 0.001, "partly": 0.05, "bad": 0.6, "worst": 0.9}


@pytest.fixture
def write_sweep(tmp_path, write_sweep_in) -> Callable[..., Path]:
    """What ``write_sweep_in`` writes, in the test's own folder, by name."""
    return lambda name="results", **settings: write_sweep_in(tmp_path / name, **settings)


@pytest.fixture(scope="session")
def page_of_500(tmp_path_factory, write_sweep_in, make_report) -> tuple[Report, str, float]:
    """The report on 500 cases, its page, and the seconds that it took to render."""
    report = make_report(
        write_sweep_in(tmp_path_factory.mktemp("many") / "results", problems=5, kernels=5, samples=200)
    )
    started_s = time.perf_counter()
    page = render_page(report)
    return report, page, time.perf_counter() - started_s


@pytest.fixture(scope="session")
def write_sweep_in(make_case, make_record, make_sweep) -> Callable[..., Path]:
    """Write ``problems`` problems of every backend over all ranks, in ``launches`` launches, and return the folder."""

    def write(
        folder: Path,
        problems: int = 1,
        launches: int = 3,
        samples: int = 20,
        kernels: int = 1,
        factor: float = 1.0,
        commit: str = "",
    ) -> Path:
        generator = np.random.default_rng(0)
        cases = []
        for kernel in range(kernels):
            for problem in range(problems):
                for backend, serial in SERIAL.items():
                    for ranks in RANKS:
                        parameters = {"size_bytes": 1024 * 4**problem, "label": "<script>alert('$x$ & \"y\"')</script>"}
                        settings = {"kernel": f"invented{kernel}", "parameters": parameters}
                        case = make_case(ranks, backend, f"{problem:08x}", **settings)
                        step_s = factor * 1e-3 * (1 + problem) * (serial + (1 - serial) / ranks)
                        for repeat in range(launches):
                            drawn_s = step_s * np.exp(0.01 * generator.standard_normal(samples))
                            settings = {
                                "rank_median_s": (step_s * np.linspace(0.9, 1.1, ranks)).tolist(),
                                "work": Work(items=10.0, item="step", flops=1e6 / ranks, memory_bytes=1e6 / ranks),
                                "environment": environment(commit),
                                "run_id": f"{repeat:03d}-{commit or 'first'}",
                                "ended": f"2026-01-01T00:00:0{commit[:1]}" if commit else "",
                            }
                            write_record(folder, make_record(case, drawn_s.tolist(), repeat, **settings))
                        cases.append(case)
        write_manifest(folder, make_sweep(cases, repeats=launches))
        return folder

    return write


def environment(commit: str = "") -> Environment:
    return Environment(
        hosts=["node1"], cpu={"model": "<b>Abacus</b>", "cores": 16}, memory_bytes=2**34, gpus=[],
        operating_system="Invented 1.0", python="3.11.0", libraries={"numpy": "2.0"}, mpi={"library": "MPI"},
        code={"version": "0", "commit": commit}, placement={"ranks": [{"rank": 0, "cores": [0]}]}, variables={},
        load_average=0.5,
    )  # fmt: skip


@pytest.fixture
def browser(monkeypatch) -> Iterator[Any]:
    """A headless Chromium, if there is one."""
    monkeypatch.syspath_prepend(SUPPORT)
    import browser as driver

    if driver.CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with driver.Browser() as page:
        yield page


@pytest.fixture(scope="session")
def make_report() -> Callable[[Path], Report]:
    """The report on all sweeps of a results folder."""

    def make(results: Path) -> Report:
        return gather(results, [tabulate.make_table(results, "trial")])

    return make
