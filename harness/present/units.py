"""Numbers as people read them: three significant digits and a unit that fits. Programs get plain SI instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_DECIMAL = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
# units that take a decimal prefix; others, such as "%" or "qubits", stand as they are
_PREFIXED = ("B", "B/s", "flop/s", "Hz", "J", "W")


def significant(value: float) -> str:
    """Three significant digits, without an exponent where the number is of a readable size."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    magnitude = math.floor(math.log10(abs(float(f"{value:.2e}"))))
    return f"{value:.{max(2 - magnitude, 0)}f}" if -4 <= magnitude < 6 else f"{value:.2e}"


def duration(seconds: float) -> str:
    """Seconds, such as ``12.3 µs``."""
    return _scaled(seconds, _SECONDS)


def quantity(value: float, unit: str = "") -> str:
    """A number with a decimal prefix, such as ``81.2 k`` or ``3.20 GB/s``."""
    return _scaled(value, _DECIMAL, unit)


def size(count: float) -> str:
    """Bytes with a binary prefix, such as ``64 KiB``; whole numbers of a unit stay whole."""
    for factor, name in _BINARY:
        if count >= factor:
            return f"{count // factor} {name}" if count % factor == 0 else f"{significant(count / factor)} {name}"
    return f"{significant(count)} B"


def counted(count: int, one: str) -> str:
    """A number of things, such as ``1 case`` or ``1,200 launches``."""
    many = f"{one}es" if one.endswith("ch") else f"{one}s"
    return f"{count:,} {one if count == 1 else many}"


def percent(share: float) -> str:
    """A share, such as ``93 %``, with a decimal where it is small."""
    value = 100 * share
    if abs(value) >= 9.95:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if abs(value) >= 0.05 or value == 0 else "<0.1 %"


def ratio(value: float) -> str:
    """A ratio, such as ``15.2×``."""
    return f"{significant(value)}×"


def parameter(name: str, value: Any) -> str:
    """A parameter's value in the unit that its name ends in."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if name.endswith("_bytes"):
        return size(value)
    if name.endswith("_s"):
        return duration(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def figure(value: float | str | None, unit: str) -> str:
    """A figure of merit with its unit."""
    if value is None:
        return "not a number"
    if isinstance(value, str):
        return value
    if unit == "s":
        return duration(value)
    if unit in _PREFIXED:
        return quantity(value, unit)
    # a count; up to 1 it may as well be a share
    if not unit and 1 < value < 1e6 and float(value).is_integer():
        return f"{value:.0f}"
    return f"{significant(value)} {unit}".rstrip()


def _scaled(value: float, units: Sequence[tuple[float, str]], unit: str = "") -> str:
    rounded = abs(float(f"{value:.2e}"))
    factor, prefix = next(((factor, prefix) for factor, prefix in units if rounded >= factor), units[-1])
    if value == 0:
        factor, prefix = next((item for item in units if item[0] == 1.0), units[-1])
    return f"{significant(value / factor)} {prefix}{unit}".rstrip()
