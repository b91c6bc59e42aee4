"""Real rates of this machine, held against other programs' measure of the same; generously, for machines are shared."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg.blas import sgemm

from kernels import registry
from kernels.calibration.host import describe_crowding

ON_TWO_RANKS = """
import json
from mpi4py import MPI
from kernels import registry
workload = registry.load("calibrate").prepare("host", comm=MPI.COMM_WORLD)
workload.step()
figures, check = workload.figures(0.0), workload.verify()
workload.close()
if MPI.COMM_WORLD.rank == 0:
    found = {figure.name: figure.value for figure in figures}
    print(json.dumps({"figures": found, "error": check.error, "tolerance": check.tolerance}))
"""


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """Figures and check of one round on two ranks."""
    folder = tmp_path_factory.mktemp("calibrate")
    mpiexec = Path(sys.executable).with_name("mpiexec")
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    environment = os.environ | one_thread | {"SCALEMARK_DATA": str(folder)}
    command = [mpiexec, "-n", "2", sys.executable, "-c", ON_TWO_RANKS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, env=environment)
    return json.loads(ended.stdout) | {"left": list(folder.iterdir())}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The workload after two rounds in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALEMARK_DATA", str(tmp_path_factory.mktemp("data")))
        workload = registry.load("calibrate").prepare("host")
    for _ in range(2):
        workload.step()
    yield workload
    workload.close()


def test_what_was_timed_was_done(alone, two_ranks):
    assert alone.verify().passed
    assert two_ranks["error"] <= two_ranks["tolerance"]


def test_two_ranks_have_a_link_and_leave_no_file(two_ranks):
    figures = two_ranks["figures"]
    assert 1e-8 < figures["within_node_latency"] < 1e-3
    assert 1e8 < figures["within_node_bandwidth"] < 1e12
    assert not {name for name in figures if name.startswith("between_nodes")}
    assert two_ranks["left"] == []


def test_a_process_alone_has_no_link(alone):
    rates = alone.rates()
    assert rates.within_node is None
    assert rates.between_nodes is None


def test_caches_are_faster_than_memory(alone):
    bandwidth = alone.rates().bandwidth
    assert bandwidth[min(bandwidth)] > bandwidth[max(bandwidth)]


def test_more_rounds_never_make_a_rate_worse(alone):
    before = alone.rates()
    alone.step()
    after = alone.rates()
    assert all(after.bandwidth[size] >= rate for size, rate in before.bandwidth.items())
    assert all(after.arithmetic[dtype] >= rate for dtype, rate in before.arithmetic.items())


def test_the_matrix_rate_is_near_that_of_scipys_blas(alone):
    left, right = np.random.default_rng(0).standard_normal((2, 1024, 1024), dtype=np.float32)
    times_s = []
    for _ in range(10):
        start_s = time.perf_counter()
        sgemm(1.0, left, right)
        times_s.append(time.perf_counter() - start_s)
    rate = 2 * 1024**3 / min(times_s)
    assert 0.3 < alone.rates().arithmetic["float32"] / rate < 6


def test_the_bandwidth_of_memory_is_near_that_of_numpys_copy(alone):
    source = np.ones(1 << 24)
    target = np.empty_like(source)
    times_s = []
    for _ in range(8):
        start_s = time.perf_counter()
        np.copyto(target, source)
        times_s.append(time.perf_counter() - start_s)
    copied = 2 * source.nbytes / min(times_s)
    figures = {figure.name: figure.value for figure in alone.figures(0.0)}
    assert 0.4 < figures["core_copy"] / copied < 2.5


def test_noise_is_how_much_longer_work_took_than_at_best(alone, monkeypatch):
    monkeypatch.setattr(alone, "_quanta_ns", [100, 100, 160])
    assert {figure.name: figure.value for figure in alone.figures(0.0)}["noise"] == pytest.approx(20)


@pytest.mark.skipif(shutil.which("mbw") is None, reason="needs mbw: tests/setup-optional.sh installs it")
def test_the_bandwidth_of_memory_is_near_that_of_mbw(alone):
    """A MiB copied is read and written: STREAM counts both, mbw one. Its memcpy may write past the caches."""
    told = subprocess.run(["mbw", "-q", "-t0", "-n5", "128"], capture_output=True, text=True, check=True, timeout=100)
    copied = 2 * 2**20 * max(float(rate) for rate in re.findall(r"Copy: ([0-9.]+) MiB/s", told.stdout))
    figures = {figure.name: figure.value for figure in alone.figures(0.0)}
    assert 0.4 < figures["core_copy"] / copied < 2.5


def test_the_page_cache_is_near_what_dd_reads(alone, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(np.random.default_rng(0).bytes(1 << 27))
    rates = []
    for _ in range(5):
        command = ["dd", f"if={path}", "of=/dev/null", "bs=1M"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"})
        (seconds,) = re.findall(r"copied, ([0-9.e-]+) s,", done.stderr)
        rates.append((1 << 27) / float(seconds))
    # mapped pages, which the calibration tries as well, spare a copy
    assert 0.4 < alone.rates().page_cache / max(rates) < 6


@pytest.mark.parametrize(
    ("cores", "threads", "words"),
    [
        ([{0, 1}] * 4, 1, ""),
        ([{0}, {1}, {0}, {1}], 1, ""),
        ([{0, 1}, {2, 3}, {0, 1}, {2, 3}], 2, ""),
        ([{0, 1}, {0, 1}, {0, 1}, {0, 1}], 2, "2 ranks x 2 threads shared 2 cores"),
        ([{0}, {1}, {0}, {0}], 1, "2 ranks x 1 threads shared 1 cores"),
    ],
)
def test_ranks_that_share_cores_are_told(cores, threads, words):
    told = describe_crowding(["one", "one", "other", "other"], cores, threads)
    assert told.startswith("oversubscribed") == bool(words)
    assert words in told


def test_each_backend_says_what_it_needs():
    backends = registry.load("calibrate").backends
    assert backends["host"].missing("cpu") is None
    assert "--device cuda" in backends["gpu"].missing("cpu")
    assert "--backend gpu" in backends["host"].missing("cuda")
