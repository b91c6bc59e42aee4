"""A commit of this checkout as a folder of its own, so that its ranks run beside those of the code that runs here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.store.record import SCHEMA, Stack
from harness.store.source_code import ROOT, digest
from kernels.api import InputError

# of a commit's hash, in the name of its stack
_DIGITS = 12
_PROBE = "import harness.measure.rank; from harness.store import record; print(record.SCHEMA, record.__file__)"


def find_commit(ref: str) -> str:
    """The full hash of the commit that ``ref`` names in the checkout this code lies in.

    Raises `InputError` when the code lies in no git checkout, or the checkout knows no such commit.
    """
    top = _git(ROOT, "rev-parse", "--show-toplevel")
    if top.returncode != 0 or Path(top.stdout.strip()) != ROOT:
        reason = f" ({top.stderr.strip().splitlines()[0]})" if top.stderr.strip() else ""
        raise InputError(
            f"--against {ref}: no such image, and {ROOT} is not a git checkout{reason}; "
            "right would be an image's path, or a commit of a checkout that scalemark runs from"
        )
    found = _git(ROOT, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode != 0:
        raise InputError(
            f"--against {ref}: neither an image nor a commit of {ROOT}; right would be an image's path, `auto`, "
            "`bare`, or a ref such as origin/main (a shallow clone has to fetch it first)"
        )
    return found.stdout.strip()


def check_out(ref: str, results: Path) -> Stack:
    """The commit that ``ref`` names, as a stack: a git worktree inside the results, made unless it is there already.

    Raises `InputError` as `find_commit` does, and for a commit whose harness writes no records that this one reads.
    """
    commit = find_commit(ref)
    folder = (results / "worktrees" / commit).resolve()
    if not folder.exists():
        # forced, for git may still know a folder of that name which was deleted together with older results
        made = _git(ROOT, "worktree", "add", "--force", "--detach", str(folder), commit)
        if made.returncode != 0:
            raise InputError(f"{folder}: git cannot check out {ref}: {made.stderr.strip().splitlines()[-1]}")
    _check_untouched(folder, commit)
    _check_usable(folder, ref)
    return Stack(name=f"{ref}@{commit[:_DIGITS]}", path=str(folder))


def this_checkout() -> Stack:
    """The code that runs here as a stack, named by the digest of its kernels: edited, it is another one."""
    return Stack(name=f"checkout@{digest()}", path=str(ROOT))


def environment(tree: Path | str) -> dict[str, str]:
    """What this process's environment becomes for Python to import from the tree, wherever it is started."""
    path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH", "")]))
    # the working directory would come first of all, and is a checkout more often than not
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _check_untouched(folder: Path, commit: str) -> None:
    head = _git(folder, "rev-parse", "HEAD").stdout.strip()
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if head != commit or changes.returncode != 0 or changes.stdout:
        raise InputError(f"{folder}: found something else than commit {commit} as it was committed; delete the folder")


def _check_usable(folder: Path, ref: str) -> None:
    """That is: ranks started in the tree import its own harness, and this one reads their records."""
    command = [sys.executable, "-c", _PROBE]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=60)
    schema, _, path = done.stdout.strip().partition(" ")
    if done.returncode != 0 or not Path(path).is_relative_to(folder):
        raise InputError(f"--against {ref}: the commit has no harness that starts; right would be a later commit")
    if schema != str(SCHEMA):
        raise InputError(f"--against {ref}: the commit writes records of schema {schema}; right would be {SCHEMA}")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=120)
    except FileNotFoundError as error:
        raise InputError("git: not found; it is what --against takes commits from") from error
