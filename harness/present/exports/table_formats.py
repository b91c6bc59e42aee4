"""The scaling table as CSV, JSON or Markdown, the same as ``scalemark table`` prints."""

from __future__ import annotations

from harness.present import table
from harness.present.exports.measured import Measured


def render(measured: Measured, format_: str) -> bytes:
    """The tables of all sweeps, one row a case."""
    return f"{table.render(measured.tables, format_)}\n".encode()
