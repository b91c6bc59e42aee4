import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path):
    """A checkout of its own, to be changed at will."""
    copy = tmp_path / "checkout"
    for folder in ("containers", "kernels", "harness"):
        shutil.copytree(PROJECT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("constraints.txt", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, copy / name)
    return copy
