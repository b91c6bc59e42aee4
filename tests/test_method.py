"""The page on the method names the code that holds each rule: it has to be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# a file, and the names in it that follow: (`harness/case.py`, `expand`)
CLAIM = re.compile(r"`((?:harness|kernels|benchmarks)/[\w/]+\.py)`((?:, `\w+`)*)")
PAGE = (ROOT / "docs" / "method.md").read_text()
CLAIMS = CLAIM.findall(PAGE)


@pytest.mark.parametrize(("file", "names"), CLAIMS, ids=[file for file, _ in CLAIMS])
def test_what_the_page_names_is_there(file: str, names: str) -> None:
    source = (ROOT / file).read_text()
    for name in re.findall(r"`(\w+)`", names):
        assert re.search(rf"^(?:def|class) {name}\b", source, re.MULTILINE), f"{file} has no {name}"


def test_every_rule_has_its_place() -> None:
    table = PAGE.partition("## The twelve rules")[2].partition("## Measuring MPI")[0]
    rules = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    assert [int(number) for rule in rules for number in rule.split(",")] == list(range(1, 13))
    assert len(CLAIMS) > 20
