"""What a data set's folder holds: its manifest and the two forms that a record may have on disk.

A record is 1080 strains and 8 labels. In binary shards it is little-endian float32 without padding, 4352 bytes; in text
shards a line of comma-separated values of equal width (see `kernels.data.text`), 17408 bytes. A shard is whole records
one after the other, without a header.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from kernels.api import InputError
from kernels.material.tensile import FEATURES, LABEL_RANGES, RECORD_SHAPE

SCHEMA = "scalemark.strain-records/1"

LABELS = len(LABEL_RANGES)
COLUMNS = FEATURES + LABELS
VALUE_TYPE = np.dtype("<f4")
RECORD_BYTES = COLUMNS * VALUE_TYPE.itemsize

MANIFEST_NAME = "manifest.json"
STATISTICS_NAME = "statistics.bin"
STATISTICS_TYPE = np.dtype("<f8")

Floats = NDArray[np.float32]
Form = Literal["binary", "text"]


class ValueForm(NamedTuple):
    """How a value is written, as the manifest says it, the bytes that takes, and the ending of the files' names."""

    value_type: str
    value_bytes: int
    suffix: str


FORMS: dict[Form, ValueForm] = {
    "binary": ValueForm(VALUE_TYPE.str, VALUE_TYPE.itemsize, "bin"),
    # with its separator: nine digits bring back every float32
    "text": ValueForm("% .8e", 16, "csv"),
}


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the data set; ``records`` is 0 for the statistics."""

    name: str
    bytes: int
    sha256: str
    records: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the folder holds. ``label_ranges`` has the lowest and highest value of every label, in column order."""

    schema: str
    generator_version: int
    seed: int
    records: Annotated[int, Meta(ge=1)]
    feature_shape: tuple[int, ...]
    value_type: str
    label_ranges: dict[str, tuple[float, float]]
    shards: Annotated[list[FileEntry], Meta(min_length=1)]
    statistics: FileEntry

    @property
    def form(self) -> Form:
        """How the shards are written."""
        return next(form for form, values in FORMS.items() if values.value_type == self.value_type)


def read_manifest(path: Path) -> Manifest:
    """The manifest in that file, complete and of this layout; raises `InputError`."""
    remedy = (
        f"if {path.parent} was a data set, delete it and generate it anew (python -m kernels.data.records generate)"
    )
    if not path.is_file():
        raise InputError(f"{path}: missing; a data set is a folder of shards with its {MANIFEST_NAME}; {remedy}")
    content = path.read_bytes()
    try:
        schema = msgspec.json.decode(content).get("schema")
        if schema != SCHEMA:
            raise InputError(f"{path}: found schema {schema!r}, right would be {SCHEMA!r}; {remedy}")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a manifest of strain records ({error}); {remedy}") from error
    _check_layout(path, manifest)
    return manifest


def _check_layout(path: Path, manifest: Manifest) -> None:
    found = (manifest.feature_shape, len(manifest.label_ranges), manifest.statistics.bytes)
    right = (RECORD_SHAPE, LABELS, 2 * FEATURES * STATISTICS_TYPE.itemsize)
    if found != right:
        raise InputError(f"{path}: found shape, labels and bytes of statistics {found}, right would be {right}")
    types = [form.value_type for form in FORMS.values()]
    if manifest.value_type not in types:
        raise InputError(f"{path}: found value type {manifest.value_type!r}, right would be one of {types}")
    held = sum(entry.records for entry in manifest.shards)
    if held != manifest.records:
        raise InputError(f"{path}: found {held} records in its shards and {manifest.records} in all; they must agree")
    for entry in manifest.shards:
        right_bytes = entry.records * COLUMNS * FORMS[manifest.form].value_bytes
        if entry.bytes != right_bytes:
            raise InputError(
                f"{path}: {entry.name}: found {entry.bytes} bytes, {entry.records} records are {right_bytes}"
            )
