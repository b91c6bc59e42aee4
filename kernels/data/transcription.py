"""Text copies of binary data sets: the same records and statistics, their shards written as lines of text."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from kernels.api import tell
from kernels.data.dataset import open_dataset, read_shard
from kernels.data.files import appearing_whole, write_file, write_manifest
from kernels.data.manifest import FORMS, STATISTICS_NAME
from kernels.data.text import encode


def text_folder(binary: Path) -> Path:
    """Where the text copy of a data set lies: beside it."""
    return binary.with_name(f"{binary.name}-text")


def ensure_text(binary: Path) -> Path:
    """The folder of the text copy of the data set in ``binary``, written on first use; raises `InputError`."""
    folder = text_folder(binary)
    if not folder.exists():
        tell(f"data set: writing it as text once, into {folder}")
        transcribe(binary, folder)
    open_dataset(folder)
    return folder


def transcribe(binary: Path, folder: Path) -> None:
    """Write the data set in ``binary`` to ``folder``, which must not exist yet, as text; raises `InputError`."""
    dataset = open_dataset(binary)
    form = FORMS["text"]
    with appearing_whole(folder) as unfinished:
        entries = [
            write_file(
                (unfinished / path.name).with_suffix(f".{form.suffix}"), encode(read_shard(path)).tobytes(), records
            )
            for path, records in zip(dataset.shard_paths, dataset.shard_records, strict=True)
        ]
        shutil.copyfile(binary / STATISTICS_NAME, unfinished / STATISTICS_NAME)
        manifest = msgspec.structs.replace(dataset.manifest, value_type=form.value_type, shards=entries)
        write_manifest(unfinished, manifest)
