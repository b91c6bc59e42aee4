"""Writing data sets so that a folder is either whole or not there, also when several processes write the same one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kernels.api import InputError
from kernels.data.manifest import MANIFEST_NAME, FileEntry, Manifest


def data_folder() -> Path:
    """Where data sets lie that nobody has named: $SCALEMARK_DATA, else ``results/data`` of the working directory."""
    return Path(os.environ.get("SCALEMARK_DATA") or Path("results", "data"))


@contextmanager
def appearing_whole(folder: Path) -> Iterator[Path]:
    """A folder to fill, renamed to ``folder`` at the end; gone if anything fails or another process was first.

    Raises `InputError` for a place that cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
            unfinished = Path(place, "complete")
            unfinished.mkdir()
            yield unfinished
            _rename_into_place(unfinished, folder)
    except OSError as error:
        raise InputError(
            f"data set {folder}: cannot be written, {error.filename}: {error.strerror}; "
            "SCALEMARK_DATA can name another place"
        ) from error


def write_file(path: Path, content: bytes, records: int = 0) -> FileEntry:
    """Write a file to the disk itself; its entry in the manifest."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return FileEntry(path.name, len(content), hashlib.sha256(content).hexdigest(), records)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, after all else that it lists."""
    write_file(folder / MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def _rename_into_place(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        # another process was first, with the same bytes
        if not (folder / MANIFEST_NAME).is_file():
            raise
