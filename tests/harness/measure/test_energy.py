import pytest
from mpi4py import MPI

from harness.measure.energy import EnergyMeter, energy_figures, find_rapl


@pytest.fixture
def packages(tmp_path):
    """Two packages of a machine, one with a zone for its cores, and a function that sets their counters."""
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "max_energy_range_uj").write_text("1000000000")

    def set_counters(*microjoules):
        for name, value in zip(("intel-rapl:0", "intel-rapl:1"), microjoules, strict=True):
            (tmp_path / name / "energy_uj").write_text(str(value))
        (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("77")

    set_counters(0, 0)
    return tmp_path, set_counters


def test_the_packages_are_summed_and_their_parts_are_not_counted_twice(packages):
    root, set_counters = packages
    assert len(find_rapl(root)) == 2
    meter = EnergyMeter(MPI.COMM_SELF, 0, root)
    set_counters(5_000_000, 7_000_000)
    meter.start()
    set_counters(6_500_000, 9_000_000)
    assert meter.stop() == pytest.approx(3.5)


def test_a_counter_that_starts_anew_is_followed(packages):
    root, set_counters = packages
    meter = EnergyMeter(MPI.COMM_SELF, 0, root)
    set_counters(999_000_000, 0)
    meter.start()
    set_counters(2_000_000, 0)
    assert meter.stop() == pytest.approx(3.0)


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
