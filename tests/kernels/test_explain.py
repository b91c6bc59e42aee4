from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from kernels.explain import explain_invalid


class _Part(Struct, forbid_unknown_fields=True):
    colour: Literal["red", "green"] | None = None
    digits: tuple[Literal[1, 2], ...] = ()
    size: Annotated[int, Meta(ge=1)] = 1
    whole: bool = True


class _Whole(Struct, forbid_unknown_fields=True):
    name: str
    parts: list[_Part] = []
    named: dict[str, _Part] = {}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"name": "a", "prts": []}, "prts: unknown field; did you mean 'parts'? right would be: name, parts, named"),
        ({"name": "a", "zzz": []}, "zzz: unknown field; right would be: name, parts, named"),
        ({"name": "a", "parts": [{}, {"color": 1}]}, "parts[1].color: unknown field; did you mean 'colour'? "
         "right would be: colour, digits, size, whole"),
        ({"name": "a", "parts": [{"colour": "gren"}]}, "parts[0].colour: found 'gren'; did you mean 'green'? "
         "right would be: green, red"),
        ({"name": "a", "parts": [{"digits": [1, 3]}]}, "parts[0].digits[1]: found 3; right would be: 1, 2"),
        ({"name": "a", "parts": [{"size": 0}]}, "parts[0].size: expected `int` >= 1, found 0"),
        ({"name": "a", "parts": [{"whole": "maybe"}]}, "parts[0].whole: found 'maybe'; right would be: true, false"),
        ({"name": "a", "parts": [{"colour": 3}]}, "parts[0].colour: found 3; right would be: green, red"),
        ({"name": 1}, "name: expected `str`, found 1"),
        ({}, "object missing required field `name`"),
    ],
)  # fmt: skip
def test_the_place_what_was_found_and_what_is_right(document, told):
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, _Whole)
    assert explain_invalid(caught.value, document, _Whole) == told


def test_a_place_that_the_message_does_not_name_is_no_crash():
    document = {"name": "a", "named": {"x": {"size": 0}}}
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, _Whole)
    assert "expected `int` >= 1" in explain_invalid(caught.value, document, _Whole)
