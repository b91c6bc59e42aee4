"""Which code measured, in an image and with a checkout bound over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store import source_code


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of code that git knows nothing of, as in an image."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "nothing.py").write_text("# the image's own\n")
    return tmp_path


@pytest.mark.parametrize(
    ("commit", "found"),
    [
        ("0123abc", {"commit": "0123abc", "dirty": False}),
        ("0123abc-dirty", {"commit": "0123abc", "dirty": True}),
        ("unknown", {"commit": "", "dirty": None}),
    ],
)
def test_an_image_tells_the_commit_that_it_was_built_from(
    tree: Path, monkeypatch: pytest.MonkeyPatch, commit: str, found: dict[str, object]
) -> None:
    monkeypatch.setenv("SCALEMARK_COMMIT", commit)
    monkeypatch.setenv("SCALEMARK_DIGEST", source_code.digest(tree))
    told = source_code.describe(tree)
    assert {"commit": told["commit"], "dirty": told["dirty"]} == found


def test_code_bound_over_the_images_own_is_not_of_the_images_commit(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEMARK_COMMIT", "0123abc")
    monkeypatch.setenv("SCALEMARK_DIGEST", source_code.digest(tree))
    (tree / "kernels" / "nothing.py").write_text("# of a checkout\n")
    told = source_code.describe(tree)
    assert told["digest"] == source_code.digest(tree)
    assert (told["commit"], told["dirty"]) == ("", None)


def test_ranks_are_of_the_hosts_commit_only_when_their_code_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    here = source_code.digest()
    host = {"version": "1", "digest": here, "commit": "0123abc", "dirty": False}
    assert source_code.that_ran(host) == host
    other = host | {"digest": "another"}
    assert source_code.that_ran(other)["commit"] == ""
    monkeypatch.setenv("SCALEMARK_COMMIT", "4567def")
    monkeypatch.setenv("SCALEMARK_DIGEST", here)
    assert source_code.that_ran(other)["commit"] == "4567def"
