"""Files of JSON lines, which one process appends to and another follows."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class LineReader(Generic[T]):
    """Follows a file, which need not be there yet; each of its lines is a ``type_``."""

    def __init__(self, path: Path, type_: type[T]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(type_)
        self._read_bytes = 0

    def read(self) -> list[T]:
        """What came since the last call; a line still being written waits."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read_bytes)
                whole, end, _ = stream.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read_bytes += len(whole + end)
        return self._decoder.decode_lines(whole)
