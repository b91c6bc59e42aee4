"""Past the scaling tables, as a user types it: statistics, laws and projections."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable

Scalemark = Callable[..., subprocess.CompletedProcess[str]]


def test_the_samples_and_the_laws_of_a_sweep(scalemark: Scalemark) -> None:
    sweep = ["sweep", "faulty", "--name", "naps", "--backend", "python", "--ranks-per-node", "1,2", "--repeats", "2"]
    assert scalemark(*sweep, "--budget-s", "0.1").returncode == 0
    done = scalemark("table", "naps", "--statistics", "--format", "json")
    rows = json.loads(done.stdout)
    assert [row["launches"] for row in rows] == [2, 2]
    assert all(row["bootstrap_low_s"] <= row["median_s"] <= row["bootstrap_high_s"] for row in rows)
    assert "effective: independent samples" in scalemark("table", "--statistics").stdout
    (law,) = json.loads(scalemark("table", "--laws", "--format", "json").stdout)
    assert law["law"] == ""
    assert law["message"] == "2 points, a law needs 3: measure 1 more rank or node count"
    assert law["message"] in scalemark("table", "--laws").stdout


def test_a_projection_from_measured_allreduces_shows_them_beside_its_predictions(scalemark: Scalemark) -> None:
    sizes = ["--set", "message_bytes=8,8192,1048576"]
    sweep = ["sweep", "allreduce", "--backend", "mpi4py", "--ranks-per-node", "2", *sizes, "--repeats", "2"]
    assert scalemark(*sweep, "--budget-s", "0.1").returncode == 0
    done = scalemark("project", "allreduce", "--set", "message_bytes=1048576", "--topology", "all", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert sum(row["measured_s"] != "" for row in rows) == 3
    assert max(int(row["nodes"]) for row in rows) == 100_000
    text = scalemark("project", "allreduce", "--nodes", "2,1024").stdout
    assert "at measured points" in text
    assert "taken as within nodes" in text
    assert "only measured allreduces of mpi4py count (--exchange)" in text
    assert "adding nodes pays up to" in text
    assert "as long as twice as many do at least 1.1 times as much in a second" in text
    assert "Computed from a model, not measured" in text


def test_links_can_be_given_and_bad_questions_get_one_line(scalemark: Scalemark) -> None:
    links = ["--alpha-s", "2e-6", "--beta-s-per-byte", "1e-10"]
    rows = json.loads(scalemark("project", "allreduce", *links, "--nodes", "64", "--format", "json").stdout)
    assert [row["algorithm"] for row in rows] == ["recursive_doubling", "rabenseifner", "ring"]
    for arguments, words in (
        (["project", "nothing", *links], "'nothing', right would be"),
        (["project", "allreduce"], "found 0 measured allreduces"),
        (["project", "allreduce"], "only measured allreduces of mpi4py count (--exchange)"),
        (["project", "mtl_step", *links], "no right result on 1 rank"),
        (["project", "allreduce", *links, "--topology", "star"], "'star'; right would be all"),
    ):
        done = scalemark(*arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stdout == ""
