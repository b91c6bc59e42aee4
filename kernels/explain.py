"""Wrong input in the words of whoever wrote it: the place, what was found there, and all that would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def explain_invalid(error: msgspec.ValidationError, document: Any, type_: Any) -> str:
    """One line on why ``document`` (of dictionaries and lists) is no ``type_``; ``error`` is what its conversion said.

    Names and words of a fixed set are listed, with the nearest one first.
    """
    reason, _, rest = str(error).partition(" - at `$")
    place = rest.rstrip("`").lstrip(".")
    steps = re.findall(r"([^.\[\]]+)|\[(\d+)\]", place)
    expected = list(_types_at(inspect.type_info(type_), steps))
    if unknown := _UNKNOWN.match(reason):
        structs = [info for info in expected if isinstance(info, inspect.StructType)]
        names = [field.encode_name for info in structs for field in info.fields]
        return f"{'.'.join(filter(None, [place, unknown[1]]))}: unknown field; {suggest(unknown[1], names)}"
    reason = f"{reason[:1].lower()}{reason[1:]}"
    if reason.startswith("object "):
        return f"{place}: {reason}" if place else reason
    try:
        found = _value_at(document, steps)
    except (LookupError, TypeError):
        # the message names no keys of dictionaries
        return f"{place}: {reason}"
    if choices := [word for info in expected for word in _choices(info)]:
        return f"{place}: found {found!r}; {suggest(str(found), choices)}"
    return f"{place}: {reason.partition(', got ')[0].replace(' | null', '')}, found {found!r}"


def suggest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, and all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"right would be: {', '.join(known)}"


def _choices(info: inspect.Type) -> list[str]:
    """The words that a value of this type may be, where they are few."""
    if isinstance(info, inspect.LiteralType):
        return list(map(str, info.values))
    return ["true", "false"] if isinstance(info, inspect.BoolType) else []


def _value_at(document: Any, steps: Sequence[tuple[str, str]]) -> Any:
    for name, index in steps:
        document = document[int(index)] if index else document[name]
    return document


def _types_at(info: inspect.Type, steps: Sequence[tuple[str, str]]) -> Iterator[inspect.Type]:
    """The types that a value may have at the place, a field's name or a list's index a step."""
    if isinstance(info, inspect.Metadata):
        yield from _types_at(info.type, steps)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from _types_at(member, steps)
    elif not steps:
        yield info
    else:
        name, _ = steps[0]
        if isinstance(info, inspect.StructType):
            within = [field.type for field in info.fields if field.encode_name == name]
        else:
            within = [info.item_type] if isinstance(info, inspect.ListType | inspect.VarTupleType) else []
        for type_ in within:
            yield from _types_at(type_, steps[1:])
