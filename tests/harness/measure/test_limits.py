import pytest
from mpi4py import MPI

from harness.case import Scale
from harness.measure import limits
from harness.measure.environment import describe
from harness.measure.limits import LaunchLimits
from harness.store.record import Stack
from kernels import registry
from kernels.api import Work

COUNTED = Work(items=1, item="step", flops=1e9, memory_bytes=1e6, working_set_bytes=1e6)


@pytest.fixture(scope="module")
def environment():
    return describe(MPI.COMM_SELF, {}, {})


@pytest.fixture
def make_limits(tmp_path, monkeypatch, environment):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(limits, "_ROUNDS", 1)

    def make(scale=None, stack=None):
        return LaunchLimits(tmp_path, MPI.COMM_SELF, scale or Scale(), stack or Stack(), environment)

    return make


def kept(folder):
    return sorted((folder / "calibration").glob("*.json"))


def test_work_that_counts_nothing_is_not_worth_a_calibration(make_limits, tmp_path):
    assert make_limits().find(Work(items=1, item="step"), "cpu") == {}
    assert kept(tmp_path) == []


def test_a_machine_is_calibrated_once_for_each_scale_and_stack(make_limits, tmp_path):
    first = make_limits().find(COUNTED, "cpu")
    assert set(first) == {"compute_s", "memory_s"}
    (path,) = kept(tmp_path)
    written = path.read_bytes()
    assert make_limits().find(COUNTED, "cpu") == first
    assert path.read_bytes() == written
    image = Stack(name="other.sif", sha256="ab" * 32)
    make_limits(scale=Scale(threads=2), stack=image).find(COUNTED, "cpu")
    assert [other.name[9:] for other in kept(tmp_path)] == ["abababababab-n1r1t2-cpu.json", "bare-n1r1t1-cpu.json"]


def test_a_damaged_calibration_is_made_anew(make_limits, tmp_path):
    make_limits().find(COUNTED, "cpu")
    (path,) = kept(tmp_path)
    path.write_text("{")
    assert make_limits().find(COUNTED, "cpu")["compute_s"] > 0


def test_a_run_of_calibrate_takes_the_place_of_what_was_known(make_limits, tmp_path):
    workload = registry.load("calibrate").prepare("host")
    workload.step()
    launch = make_limits()
    launch.learn(workload, "cpu")
    rate = workload.rates().arithmetic["float32"]
    workload.close()
    assert launch.find(COUNTED, "cpu")["compute_s"] == 1e9 / rate
    assert make_limits().find(COUNTED, "cpu")["compute_s"] == pytest.approx(1e9 / rate)
    assert len(kept(tmp_path)) == 1
