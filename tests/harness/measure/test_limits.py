import msgspec
import pytest
from mpi4py import MPI

from harness.case import Scale
from harness.measure import limits
from harness.measure.environment import describe
from harness.measure.limits import LaunchLimits, Limits
from harness.store.record import Stack
from kernels import registry
from kernels.api import Work
from kernels.calibration import calibrate, host
from kernels.calibration.limits import Rates

RATES = Rates(arithmetic={"float32": 1e12, "float64": 1e11}, bandwidth={1 << 20: 1e10})
COUNTED = Work(items=1, item="step", flops=1e9, memory_bytes=1e6, working_set_bytes=1e6)


@pytest.fixture(scope="module")
def environment():
    return describe(MPI.COMM_SELF, {}, {})


@pytest.fixture
def quick(monkeypatch):
    """Rates without measuring any, for what is not about them."""
    monkeypatch.setattr(host.HostCalibrate, "measure", lambda self: RATES)
    monkeypatch.setattr(host.HostCalibrate, "remark", lambda self: "")


@pytest.fixture
def make_limits(tmp_path, monkeypatch, environment):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(limits, "_ROUNDS", 1)

    def make(scale=None, stack=None, **settings):
        return LaunchLimits(tmp_path, MPI.COMM_SELF, scale or Scale(), stack or Stack(), environment, **settings)

    return make


def kept(folder):
    return sorted((folder / "calibration").glob("*.json"))


def test_work_that_counts_nothing_is_not_worth_a_calibration(make_limits, tmp_path):
    assert make_limits().find(Work(items=1, item="step"), "cpu") == Limits({}, "none: the kernel counts no work")
    assert kept(tmp_path) == []


def test_a_machine_is_calibrated_once(make_limits, tmp_path):
    first = make_limits().find(COUNTED, "cpu")
    assert set(first.seconds) == {"compute_s", "memory_s"}
    assert first.calibration.startswith("calibrated 2")
    (path,) = kept(tmp_path)
    written = path.read_bytes()
    assert make_limits().find(COUNTED, "cpu") == first
    assert path.read_bytes() == written


def test_each_scale_stack_and_version_of_the_kernel_has_a_calibration_of_its_own(
    make_limits, tmp_path, quick, monkeypatch
):
    make_limits().find(COUNTED, "cpu")
    image = Stack(name="other.sif", sha256="ab" * 32)
    make_limits(scale=Scale(threads=2), stack=image).find(COUNTED, "cpu")
    version = calibrate.KERNEL.version
    found = [other.name[9:] for other in kept(tmp_path)]
    assert found == [f"abababababab-n1r1t2-cpu-v{version}.json", f"bare-n1r1t1-cpu-v{version}.json"]
    monkeypatch.setattr(calibrate, "KERNEL", msgspec.structs.replace(calibrate.KERNEL, version=version + 1))
    make_limits().find(COUNTED, "cpu")
    assert len(kept(tmp_path)) == 3


def test_cores_that_ranks_shared_are_told_by_every_record(make_limits, monkeypatch):
    monkeypatch.setattr(host.HostCalibrate, "measure", lambda self: RATES)
    monkeypatch.setattr(host.HostCalibrate, "_noise", lambda self: 0.0)
    monkeypatch.setattr(host, "describe_crowding", lambda hosts, cores, threads: "oversubscribed: told so")
    for _ in range(2):
        assert make_limits().find(COUNTED, "cpu").calibration.endswith("; oversubscribed: told so")


def test_noise_while_the_machine_was_calibrated_is_told_at_once_and_by_every_record(make_limits, monkeypatch):
    monkeypatch.setattr(host.HostCalibrate, "measure", lambda self: RATES)
    for noise, is_told in ((0.1, False), (0.34, True)):
        monkeypatch.setattr(host.HostCalibrate, "_noise", lambda self, noise=noise: noise)
        heard = []
        limits = make_limits(scale=Scale(threads=1 + is_told), tell=heard.append)
        assert ("34 % longer" in limits.find(COUNTED, "cpu").calibration) == is_told
        assert ("34 % longer" in heard[-1]) == is_told


def test_no_further_round_begins_after_the_time_for_them(make_limits, monkeypatch):
    rounds = []
    monkeypatch.setattr(limits, "_ROUNDS", 3)
    monkeypatch.setattr(limits, "_ROUNDS_S", 0.0)
    monkeypatch.setattr(host.HostCalibrate, "measure", lambda self: rounds.append(1) or Rates())
    monkeypatch.setattr(host.HostCalibrate, "remark", lambda self: "")
    make_limits().find(COUNTED, "cpu")
    assert len(rounds) == 1


def test_who_may_only_read_calibrates_nothing(make_limits, tmp_path):
    told = make_limits(read_only=True).find(COUNTED, "cpu")
    assert told.seconds == {}
    assert told.calibration.startswith("not calibrated: ")
    assert kept(tmp_path) == []


def test_a_damaged_calibration_is_told_and_made_anew(make_limits, tmp_path, quick):
    make_limits().find(COUNTED, "cpu")
    (path,) = kept(tmp_path)
    for content in (b"{", b'"\xff"'):
        path.write_bytes(content)
        heard = []
        assert make_limits(tell=heard.append).find(COUNTED, "cpu").seconds["compute_s"] > 0
        assert heard[0].startswith(f"{path}: found ")


def test_a_run_of_calibrate_takes_the_place_of_what_was_known(make_limits, tmp_path):
    workload = registry.load("calibrate").prepare("host")
    workload.step()
    launch = make_limits()
    launch.learn(workload, "cpu")
    rate = workload.rates().arithmetic["float32"]
    workload.close()
    assert launch.find(COUNTED, "cpu").seconds["compute_s"] == 1e9 / rate
    assert make_limits().find(COUNTED, "cpu").seconds["compute_s"] == pytest.approx(1e9 / rate)
    assert len(kept(tmp_path)) == 1
