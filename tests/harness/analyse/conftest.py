"""Rows of a series with planted times, and rows of records."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from harness.analyse.scaling import TableRow
from harness.analyse.tabulate import make_rows
from harness.store.read import Run
from kernels.api import Work


@pytest.fixture
def plant():
    """Rows over ranks of times in seconds, each with some launches that differ by an effect."""

    def make(times_s, mode="strong", launches=5, effect=0.01, seed=0, **settings):
        generator = np.random.default_rng(seed)
        rows = []
        for ranks, time_s in times_s.items():
            medians_s = (time_s * np.exp(effect * generator.standard_normal(launches))).tolist()
            common = {"kernel": "planted", "backend": "none", "parameters": {}, "series": "planted.t1.0", "mode": mode}
            row = {
                "sweep": "trial",
                "case_id": f"planted.n1r{ranks}",
                "nodes": 1,
                "ranks": ranks,
                "threads": 1,
                "stack": "bare",
                "status": "ok",
                "median_s": float(np.median(medians_s)),
                "launch_median_s": medians_s,
            }
            rows.append(TableRow(**(common | row | settings)))
        return rows

    return make


@pytest.fixture
def plant_sizes(plant):
    """Rows of allreduces on two ranks, over message sizes, of alpha and beta."""

    def make(alpha_s, beta_s_per_byte, sizes=(8, 1024, 65536, 1048576), **settings):
        rows = []
        for size in sizes:
            rows += plant(
                {2: alpha_s + beta_s_per_byte * size},
                kernel="allreduce",
                backend="mpi4py",
                series=f"allreduce.mpi4py.t1.{size}",
                parameters={"message_bytes": size},
                work=Work(items=size, item="byte", sent_bytes=size, messages=1),
                **({"seed": size} | settings),
            )
        return rows

    return make


@pytest.fixture(scope="session")
def rows_of(make_sweep):
    """The table rows of records, as read back from JSON, by (backend, ranks, stack)."""

    def rows(records, cases=None, **settings):
        cases = cases or list({record.case.id: record.case for record in records}.values())
        runs = [msgspec.json.decode(msgspec.json.encode(record), type=Run) for record in records]
        return {(row.backend, row.ranks, row.stack): row for row in make_rows(make_sweep(cases, **settings), runs)}

    return rows
