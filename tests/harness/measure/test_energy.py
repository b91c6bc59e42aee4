import sys
import types

import pytest
from mpi4py import MPI

from harness.measure.energy import EnergyMeter, energy_figures, find_nvml, find_rapl

ZONES = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:2": "psys",
    "intel-rapl-mmio:0": "package-0",
}


@pytest.fixture
def packages(tmp_path):
    """Two packages, one with zones for its cores and its memory, and a function that sets their counters."""
    for zone, name in ZONES.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("1000000000")

    def set_counters(*microjoules, others=0):
        values = dict(zip(("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:1"), microjoules, strict=True))
        for zone in ZONES:
            (tmp_path / zone / "energy_uj").write_text(str(values.get(zone, others)))

    set_counters(0, 0, 0)
    return tmp_path, set_counters


def test_packages_and_memory_are_summed_and_nothing_is_counted_twice(packages):
    root, set_counters = packages
    assert len(find_rapl(root)) == 3
    meter = EnergyMeter(MPI.COMM_SELF, 0, root)
    set_counters(5_000_000, 7_000_000, 100_000)
    meter.start()
    set_counters(6_500_000, 9_000_000, 350_000, others=77_000_000)
    assert meter.stop() == pytest.approx(3.75)


def test_a_counter_that_starts_anew_is_followed(packages):
    root, set_counters = packages
    meter = EnergyMeter(MPI.COMM_SELF, 0, root)
    set_counters(999_000_000, 0, 0)
    meter.start()
    set_counters(2_000_000, 0, 0)
    assert meter.stop() == pytest.approx(3.0)


def test_gpus_tell_millijoules_and_old_ones_are_left_out(monkeypatch):
    """NVML as its reference describes it: nvmlDeviceGetTotalEnergyConsumption is in mJ since the driver was loaded."""
    spent_mj = iter([4_000, 4_000, 9_500])

    class NVMLError(Exception):
        pass

    def consumption(handle):
        if handle == 1:
            raise NVMLError("not supported")
        return next(spent_mj)

    nvml = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=consumption,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    (counter,) = find_nvml()
    started_j = counter.read_j()
    assert (counter.read_j() - started_j) % counter.range_j == pytest.approx(5.5)


def test_a_machine_that_does_not_tell_has_no_figure(tmp_path):
    meter = EnergyMeter(MPI.COMM_SELF, 0, tmp_path)
    meter.start()
    if meter.stop() is not None:
        pytest.skip("the GPUs of this machine tell")
    assert energy_figures(None, 10, 1.0) == []


def test_figures_are_joules_a_step_and_items_a_joule():
    energy, items = energy_figures(20.0, 10, 4.0)
    assert (energy.value, energy.unit, energy.better) == (2.0, "J", "lower")
    assert (items.value, items.better) == (2.0, "higher")
