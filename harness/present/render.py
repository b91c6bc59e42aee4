"""Plain rows as text, CSV, JSON or Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text


def rows(
    items: Sequence[dict[str, Any]], format_: str, title: str = "", group_by: str = "", headed: bool = True
) -> str:
    """Rows of equal keys in the format a user asked for; a dictionary within a row is JSON in CSV's cells."""
    if format_ == "json":
        return json.dumps(list(items), indent=2, default=str)
    if format_ == "csv":
        return _csv(items)
    if format_ == "markdown":
        return _markdown(items)
    return _text(items, title, group_by, headed)


def structs(items: Any) -> str:
    """Structs, dictionaries and lists of them as JSON."""
    return msgspec.json.format(msgspec.json.encode(items)).decode()


def _csv(items: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO()
    if items:
        writer = csv.DictWriter(stream, fieldnames=list(items[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in item.items()} for item in items)
    return stream.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def _markdown(items: Sequence[dict[str, Any]]) -> str:
    if not items:
        return ""
    header = list(items[0])
    lines = [header, ["---"] * len(header), *([_escape(item[name]) for name in header] for item in items)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape(value: Any) -> str:
    return _plain(value).replace("|", "\\|").replace("\n", " ")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items())
    return "" if value is None else str(value)


def _text(items: Sequence[dict[str, Any]], title: str, group_by: str, headed: bool) -> str:
    """A table as wide as the terminal; columns that are empty throughout are left out."""
    shown = [name for name in (items[0] if items else {}) if any(item[name] not in ("", None) for item in items)]
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=headed,
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name in shown:
        table.add_column(name.replace("_", " "), header_style="bold", overflow="fold")
    previous = None
    for item in items:
        group = item.get(group_by)
        repeated = group_by and group == previous
        if group_by and previous is not None and not repeated:
            table.add_row()
        table.add_row(*(Text("" if repeated and name == group_by else _plain(item[name])) for name in shown))
        previous = group
    return to_text(table)


def to_text(renderable: Any) -> str:
    """A rich renderable as text, as wide as the terminal and in colour only when standard output is one."""
    console = Console()
    with console.capture() as captured:
        console.print(renderable, crop=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
