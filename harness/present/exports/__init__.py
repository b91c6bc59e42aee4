"""Results in the formats of other tools: one small module a format, each with ``render(measured) -> bytes``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.present.exports.measured import Measured

# the name on the command line and the module that knows the format, imported only when it is asked for
FORMATS = {
    "csv": "table_formats",
    "json": "table_formats",
    "markdown": "table_formats",
    "parquet": "parquet",
    "pytest-benchmark": "pytest_benchmark",
    "extra-p": "extra_p",
    "openmetrics": "openmetrics",
    "junit": "junit",
}


def render(measured: Measured, format_: str) -> bytes:
    """The results in a format of `FORMATS`; raises `InputError` when the format cannot hold them."""
    module: Any = import_module(f"{__name__}.{FORMATS[format_]}")
    content: bytes = module.render(measured, format_)
    return content
