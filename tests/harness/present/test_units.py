import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.present import units


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (1.234e-9, "1.23 ns"),
        (12.345e-6, "12.3 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (2, "2.00 s"),
        (3600, "3600 s"),
        (1e-12, "0.00100 ns"),
    ],
)
def test_duration(seconds, said):
    assert units.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (8, "8 B"), (1000, "1000 B"), (65536, "64 KiB"), (2**26, "64 MiB"), (1536, "1.50 KiB")],
)
def test_size(count, said):
    assert units.size(count) == said


@pytest.mark.parametrize(
    ("share", "said"), [(1, "100 %"), (0.934, "93 %"), (0.0321, "3.2 %"), (1e-5, "<0.1 %"), (0, "0.0 %")]
)
def test_percent(share, said):
    assert units.percent(share) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("message_bytes", 65536, "64 KiB"),
        ("timeout_s", 0.5, "500 ms"),
        ("qubits", 20, "20"),
        ("rate", 0.001, "0.001"),
        ("pinned", True, "true"),
        ("dtype", "float32", "float32"),
        ("limit", None, "–"),
    ],
)
def test_parameter(name, value, said):
    assert units.parameter(name, value) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (3.2e9, "B/s", "3.20 GB/s"),
        (0.9876, "", "0.988"),
        (12.0, "%", "12.0 %"),
        (18.0, "", "18"),
        (1.0, "", "1.00"),
        (1e-3, "s", "1.00 ms"),
        ("dropped", "", "dropped"),
        (None, "B/s", "not a number"),
    ],
)
def test_figure(value, unit, said):
    assert units.figure(value, unit) == said


@given(st.floats(1e-9, 1e6))
def test_a_duration_keeps_three_digits(seconds):
    number, unit = units.duration(seconds).split()
    factor = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
    assert float(number) * factor == pytest.approx(seconds, rel=5.1e-3)
    assert float(number) < 1000 or unit == "s"


@pytest.mark.parametrize(
    ("count", "thing", "said"),
    [(1, "launch", "1 launch"), (2, "launch", "2 launches"), (0, "case", "0 cases"), (1200, "run", "1,200 runs")],
)
def test_counted(count, thing, said):
    assert units.counted(count, thing) == said
