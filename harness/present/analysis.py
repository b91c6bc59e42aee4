"""Beside the scaling tables: what the samples say, and the laws they follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.analyse.laws.fitted import FittedLaw, Parameter
from harness.analyse.samples import SampleRow
from harness.analyse.scaling import TableRow
from harness.present import render, units
from harness.present.naming import CaseNames, shared_by_kernel

_SAMPLES_LEGEND = (
    "effective: independent samples that tell as much; lag-1: correlation of neighbouring samples; cv: coefficient of "
    "variation; p: chance that launches (or ranks) as different as these are alike; ±: half the 95 % interval, by "
    "Student's t over launches and by bootstrap."
)


def render_samples(rows: Sequence[SampleRow], format_: str) -> str:
    """The statistics of samples; for people rounded and followed by remarks, for programs the fields of `SampleRow`."""
    if format_ != "text":
        return _render_structs(rows, format_)
    if not rows:
        return "no results"
    names = CaseNames(rows)
    remarks = [f"{names.of(row)}: {remark}" for row in rows for remark in row.remarks]
    cells = [_sample_cells(row) | {"case": names.of(row)} for row in rows]
    parts = [_align(cells), remarks, shared_by_kernel(rows), [_SAMPLES_LEGEND]]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _align(rows: Sequence[dict[str, str]]) -> list[str]:
    """Lines of right-aligned columns but for the last, which may be long and wrap: nothing is cut."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    *numbers, last = widths
    return [
        "  ".join([*(row[name].rjust(widths[name]) for name in numbers), row[last]])
        for row in [{name: name for name in widths}, *rows]
    ]


def render_laws(laws: Sequence[FittedLaw], rows: Sequence[TableRow], format_: str) -> str:
    """A law a series of the ``rows``; for people a sentence each, for programs the fields of `FittedLaw`."""
    if format_ != "text":
        return _render_structs(laws, format_)
    lines = [f"{name}  {describe_law(law)}" for name, law in zip(name_series(laws, rows), laws, strict=True)]
    return "\n".join(lines) or "no series of several points"


def name_series(laws: Sequence[FittedLaw], rows: Sequence[TableRow]) -> list[str]:
    """What tells each law's series from the others: by their first cases, which differ in what the series differ in."""
    by_key = {(row.sweep, row.case_id, row.stack, row.synchronisation): row for row in rows}
    first = [by_key[law.sweep, law.case_id, law.stack, law.synchronisation] for law in laws]
    names = {
        over: CaseNames(row for row, law in zip(first, laws, strict=True) if law.over == over)
        for over in {law.over for law in laws}
    }
    return [names[law.over].of(row) for row, law in zip(first, laws, strict=True)]


def describe_law(law: FittedLaw) -> str:
    """The law, its parameters, how well it predicts what it was not fitted to, and the range it was fitted on."""
    if not law.law:
        return law.message
    told = ", ".join(_parameter(parameter, law) for parameter in law.parameters)
    errors = f"left out points are missed by {_percent(law.leave_one_out_error)}"
    if law.law != "constant":
        errors += f", by a constant by {_percent(law.constant_error)}"
    size = units.size if law.over == "message_bytes" else lambda value: f"{value:g}"
    unit = " ranks" if law.over == "ranks" else ""
    range_ = f"{units.counted(len(law.points), 'point')}, {size(law.points[0])} to {size(law.points[-1])}{unit}"
    return f"{law.law}: {law.formula}; {told}; {errors}; {range_}" + (f" ({law.message})" if law.message else "")


def _parameter(parameter: Parameter, law: FittedLaw) -> str:
    name = parameter.name.removesuffix("_s").removesuffix("_s_per_byte")
    value = _quantity(parameter.name, parameter.value)
    if parameter.low is not None and parameter.high is not None:
        low, high = (_quantity(parameter.name, bound) for bound in (parameter.low, parameter.high))
        value += f" [{low} … {high}]"
    beyond = parameter.name == "peak_ranks" and parameter.value > law.points[-1]
    return f"{name} {value}" + (" (beyond what was measured)" if beyond else "")


def _quantity(name: str, value: float) -> str:
    if name.endswith("_s"):
        return units.duration(value)
    return f"{units.duration(value)}/B" if name.endswith("_s_per_byte") else units.significant(value)


def _percent(share: float | None) -> str:
    return "–" if share is None else units.percent(share)


def _sample_cells(row: SampleRow) -> dict[str, str]:
    """As narrow as can be; times and further figures are in the other formats."""
    return {
        "samples": f"{row.samples:,}",
        "effective": f"{row.effective_samples:,.0f}",
        "lag-1": f"{row.autocorrelation:.2f}",
        "cv": _percent(row.cv),
        "launch cv": _percent(row.launch_cv),
        "launches p": _chance(row.launches_p),
        "ranks p": _chance(row.ranks_p),
        "±": _half_width(row.low_s, row.high_s, row.median_s),
        "± boot": _half_width(row.bootstrap_low_s, row.bootstrap_high_s, row.median_s),
    }


def _chance(p_value: float | None) -> str:
    return "" if p_value is None else "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _half_width(low_s: float | None, high_s: float | None, median_s: float | None) -> str:
    return "" if low_s is None or high_s is None or not median_s else units.percent((high_s - low_s) / 2 / median_s)


def _render_structs(items: Sequence[Any], format_: str) -> str:
    if format_ == "json":
        return render.structs(list(items))
    plain = [
        {
            name: msgspec.json.encode(value).decode() if isinstance(value, list) else value
            for name, value in msgspec.structs.asdict(item).items()
        }
        for item in items
    ]
    return render.rows(plain, format_)
