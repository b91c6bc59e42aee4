"""Which of our own source code measured: a digest that any process can compute, and the commit where git knows it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
from pathlib import Path
from typing import Any

import kernels

# where kernels/, harness/, benchmarks/ and containers/ lie: a checkout, or the place of an installation
ROOT = Path(kernels.__file__).resolve().parent.parent
# follows the commit of an image that was built from a checkout with changes
DIRTY = "-dirty"
# the commit of an image that was built where git knows none
UNKNOWN = "unknown"
_NOTHING = {"commit": "", "dirty": None}


def digest(root: Path = ROOT) -> str:
    """Twelve hexadecimal digits over the kernels' source as it lies on the disk, of this process if not told else."""
    total = hashlib.sha256()
    folder = root / "kernels"
    for path in sorted(folder.rglob("*.py")):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:12]


def describe(root: Path = ROOT) -> dict[str, Any]:
    """Version, digest and, from git or from the image's build, commit and whether the checkout at ``root`` was dirty.

    Looked up once by the host, which has git; ranks only compute the digest and compare (`that_ran`).
    """
    here = digest(root)
    return {"version": _version(), "digest": here, **(_commit_of_image(here) or _commit(root))}


def that_ran(host: dict[str, Any]) -> dict[str, Any]:
    """The identity of this process's code: the host's when the digests agree, else an image's own, if it is that."""
    here = digest()
    if here == host.get("digest"):
        return host
    return {"version": _version(), "digest": here, **(_commit_of_image(here) or _NOTHING)}


def _version() -> str:
    try:
        return importlib.metadata.version("scalemark")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit_of_image(here: str) -> dict[str, Any] | None:
    """What the image was built from, unless other code was bound over its own: then the digests differ."""
    if os.environ.get("SCALEMARK_DIGEST") != here:
        return None
    commit = os.environ.get("SCALEMARK_COMMIT", UNKNOWN)
    return {"commit": commit.removesuffix(DIRTY), "dirty": commit.endswith(DIRTY)} if commit != UNKNOWN else _NOTHING


def _commit(root: Path) -> dict[str, Any]:
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain"))} if commit else _NOTHING


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
