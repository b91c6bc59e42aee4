from pathlib import Path

import msgspec
import pytest

from harness.store.decode import Damage, decode_record
from harness.store.read import Run
from harness.store.record import SCHEMA


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content[: content.index(b'"status"') + 3], "the end of a cut file"),
        (lambda content: b"", "the end of a cut file"),
        (lambda content: b"\x00" * 100, "malformed"),
        (lambda content: b'"\xff\xfe"', "right would be a record"),
        (lambda content: b"[" * 100_000, "right would be"),
        (lambda content: b'{"schema": 1, "run_id": 5, "sw', "the end of a cut file"),
        (lambda content: content + b"\n" + content, "right would be a record in JSON"),
        (lambda content: content.replace(b'"samples_s":[1.0]', b'"samples_s":["x"]') + b"\n{}", "a record in JSON"),
        (lambda content: b'{"environment": "\xff", ' + content[1:], "right would be a record in JSON"),
        (lambda content: b'{"name": "somebody else\'s"}', "schema: found none"),
        (lambda content: b"[1, 2]", "schema: found none"),
        (lambda content: content.replace(b'"schema":1', b'"schema":99'), f"found 99; right would be at most {SCHEMA}"),
        (lambda content: b'{"schema": 99, "all": "else differs"}', f"found 99; right would be at most {SCHEMA}"),
        (lambda content: content.replace(b'"ok"', b'"splendid"'), "status: found invalid enum value 'splendid'"),
        (
            lambda content: content.replace(b'"samples_s":[1.0]', b'"samples_s":["x"]'),
            "samples_s[0]: found `str`; right would be `float`",
        ),
    ],
)
def test_what_is_no_record_is_named_in_one_line(make_case, make_record, spoil, said):
    content, decoder = msgspec.json.encode(make_record(make_case())), msgspec.json.Decoder(Run)
    assert isinstance(decode_record(content, "a folder/good.json", decoder), Run)
    damage = decode_record(spoil(content), "a folder/bad.json", decoder)
    assert isinstance(damage, Damage)
    assert damage.path == Path("a folder/bad.json")
    assert str(damage).startswith("a folder/bad.json: ")
    assert said in str(damage)
    assert "\n" not in str(damage)
