"""The scaling table as a Parquet file: one row a case, for pandas, DuckDB and the like.

`scalemark pack` is the one that keeps every sample; this is the table.
"""

from __future__ import annotations

import io

import msgspec

from harness.analyse.scaling import TableRow
from harness.present.exports.measured import Measured
from kernels.api import InputError


def render(measured: Measured, format_: str) -> bytes:
    """All rows, typed; what is no number or word is JSON text. Raises `InputError` when pyarrow is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError("Parquet needs pyarrow: pip install 'scalemark[report]'") from error
    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([_flatten(row) for row in measured.rows]), stream)
    return stream.getvalue()


def _flatten(row: TableRow) -> dict[str, object]:
    values = msgspec.structs.asdict(row)
    return {
        name: value if value is None or isinstance(value, str | int | float) else msgspec.json.encode(value).decode()
        for name, value in values.items()
    }
