"""Decoding one record, or telling in one line what keeps a file from being one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.store.record import SCHEMA

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Damage(Struct, frozen=True, kw_only=True):
    """A file that is no record of ours: where, what was found there, and what would be right."""

    path: Path
    place: str
    found: str
    right: str

    def __str__(self) -> str:
        return f"{self.path}: {self.place}: found {self.found}; right would be {self.right}"


class _Versions(Struct, frozen=True):
    schema: int


def decode_file(path: str, decoder: msgspec.json.Decoder) -> Any:
    """The record in a file, or `Damage`."""
    content = read_content(path)
    return content if isinstance(content, Damage) else decode_record(content, path, decoder)


def read_content(path: Path | str) -> bytes | Damage:
    """All bytes of a file, or `Damage` where they cannot be had."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        return Damage(path=Path(path), place="file", found=error.strerror or str(error), right="a readable file")


def decode_record(content: bytes, path: Path | str, decoder: msgspec.json.Decoder) -> Any:
    """The record in ``content``, decoded, or `Damage` that names ``path``."""
    try:
        # what the decoder passes over it does not look at, and another reader would stumble over it
        if not content.isascii():
            content.decode()
        found = decoder.decode(content)
    except _UNREADABLE as error:
        return _diagnose(Path(path), content, error)
    return found if found.schema <= SCHEMA else _too_new(Path(path), found.schema)


def _diagnose(path: Path, content: bytes, error: Exception) -> Damage:
    if isinstance(error, msgspec.ValidationError):
        try:
            schema = msgspec.json.decode(content, type=_Versions).schema
        except msgspec.ValidationError:
            return Damage(path=path, place="schema", found="none", right="a record, which names its schema")
        except _UNREADABLE as later:
            # a wrong type is told before what follows it is read
            return _broken(path, content, later)
        if schema > SCHEMA:
            return _too_new(path, schema)
        reason, _, place = str(error).partition(" - at `$.")
        wanted, _, found = reason.removeprefix("Expected ").partition(", got ")
        return Damage(
            path=path,
            place=place.rstrip("`") or "top level",
            found=found or reason[:1].lower() + reason[1:],
            right=wanted if found else f"a record of schema {SCHEMA}",
        )
    return _broken(path, content, error)


def _broken(path: Path, content: bytes, error: Exception) -> Damage:
    """What is not even JSON."""
    if "truncated" in str(error):
        return Damage(path=path, place=f"byte {len(content)}", found="the end of a cut file", right="a whole record")
    return Damage(path=path, place="content", found=str(error), right="a record in JSON")


def _too_new(path: Path, schema: int) -> Damage:
    return Damage(
        path=path, place="schema", found=str(schema), right=f"at most {SCHEMA}: a newer scalemark reads this record"
    )
