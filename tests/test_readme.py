"""The README's table of kernels is that of the registry."""

import re
from pathlib import Path

import pytest

from kernels import registry

README = (Path(__file__).parent.parent / "README.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", README, re.MULTILINE))


@pytest.mark.parametrize("name", registry.names())
def test_every_kernel_stands_there_with_its_backends(name: str) -> None:
    assert set(re.findall(r"`([^`]+)`", ROWS[name])) == set(registry.load(name).backends)
