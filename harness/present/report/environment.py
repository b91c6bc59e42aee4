"""The circumstances of a section: what all its runs share, and where they differ how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from harness.present.report.content import Section
from harness.present.report.elements import Markup, element

# told of what differs between runs
_TOLD = 4


def environment(section: Section) -> Markup | None:
    """A table of everything the records say of where they were measured; None where they say nothing."""
    found = dict.fromkeys(content for samples in section.samples.values() for content in samples.environments)
    values: dict[str, dict[str, None]] = {}
    for content in found:
        for name, value in _flatten(msgspec.json.decode(content)):
            values.setdefault(name, {})[value] = None
    if not values:
        return None
    rows = [
        element("tr", element("th", name, scope="row"), element("td", _tell(list(told))))
        for name, told in values.items()
    ]
    table = element("div", element("table", element("tbody", *rows), class_="environment"), class_="scroll")
    return element("details", element("summary", "Environment"), table)


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Names with dots and their values as texts; what is absent or empty is left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(item, f"{name}.{key}" if name else str(key))
    elif name == "placement.ranks" and isinstance(value, list) and all(isinstance(rank, dict) for rank in value):
        for rank in value:
            yield f"placement of rank {rank.get('rank')}", ", ".join(_words(rank))
    elif isinstance(value, list):
        if value:
            yield name, ", ".join(map(str, value))
    elif value not in (None, ""):
        yield name, str(value)


def _words(rank: dict[str, Any]) -> Iterable[str]:
    return (f"{name} {value}" for name, value in rank.items() if name != "rank" and value is not None)


def _tell(values: list[str]) -> str:
    if len(values) == 1:
        return values[0]
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        more = f" and {len(values) - _TOLD} more" if len(values) > _TOLD else ""
        return " | ".join(values[:_TOLD]) + more
    return f"{min(numbers):g} to {max(numbers):g}"
