"""Two commits of a checkout measured in turn, as a user types it and as docs/ci.md does, in a real git repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import xml.etree.ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
Scalemark = Callable[..., subprocess.CompletedProcess[str]]
SWEEP = ("sweep", "nothing", "--name", "gate", "--repeats", "3", "--budget-s", "0.05", "--format", "json")
# where a verdict is asked for: one of three pairs that stalls leaves it open, one of five does not
SURE = (*SWEEP, "--repeats", "5")


class Repository:
    """A git repository of this code whose kernel ``nothing`` takes as long as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("kernels", "harness"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / ".gitignore").write_text("__pycache__/\n")
        self.git("init", "--quiet", "--initial-branch=main")

    def take(self, step_s: float) -> None:
        """Edit the kernel's step."""
        empty = "    def step(self) -> None:\n        pass"
        source = (PROJECT / "kernels" / "nothing.py").read_text()
        assert empty in source
        slow = empty.replace("pass", f"__import__('time').sleep({step_s})")
        (self.folder / "kernels" / "nothing.py").write_text(source.replace(empty, slow))

    def commit(self, message: str) -> str:
        """Commit everything; the hash."""
        self.git("add", "--all")
        self.git("-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scalemark: Scalemark) -> Repository:
    """The repository that the command ``scalemark`` runs from; ``main`` is a commit whose step takes 2 ms."""
    made = Repository(tmp_path / "checkout")
    made.take(0.002)
    made.commit("base")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(made.folder), os.environ["PYTHONPATH"]]))
    return made


def records(results: str, sweep: str = "gate") -> list[dict]:
    return [
        json.loads(path.read_text())
        for path in Path(results, "runs", sweep).rglob("*.json")
        if path.name != "sweep.json"
    ]


def test_a_commit_that_made_a_kernel_slower_is_found_and_says_whose_code_it_was(
    repository: Repository, scalemark: Scalemark, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = repository.git("rev-parse", "HEAD").strip()
    repository.git("checkout", "--quiet", "-b", "slow")
    repository.take(0.006)
    candidate = repository.commit("slower")
    # where most people are, and where Python would find the candidate's code first
    monkeypatch.chdir(repository.folder)
    results = str(repository.folder.parent / "results")
    done = scalemark(*SURE, "--against", "main", "--results", results)
    assert done.returncode == 1, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["verdict"], row["pairs"], row["message"]) == ("slower", 5, "from 5 pairs")
    assert 2.0 < row["ratio"] < 3.5

    found = sorted(records(results), key=lambda record: record["started"])
    by_pair: dict[str, list[str]] = {}
    for record in found:
        by_pair.setdefault(record["launch"]["pair"], []).append(record["environment"]["code"]["commit"])
        assert record["environment"]["code"]["dirty"] is False
    there, back = [base, candidate], [candidate, base]
    assert list(by_pair.values()) == [there, back, there, back, there]
    digests = {record["environment"]["code"]["commit"]: record["environment"]["code"]["digest"] for record in found}
    assert digests[base] != digests[candidate]

    table = json.loads(scalemark("table", "gate", "--results", results, "--format", "json").stdout)
    assert {row["stack"] for row in table} == {f"main@{base[:12]}", f"checkout@{digests[candidate]}"}
    again = scalemark(*SURE, "--against", "main", "--results", results)
    assert (again.returncode, len(records(results))) == (1, 10)


def test_a_commit_against_itself_is_no_change_and_an_edit_is_measured_anew(
    repository: Repository, scalemark: Scalemark
) -> None:
    done = scalemark(*SWEEP, "--against", "HEAD")
    (row,) = json.loads(done.stdout)
    assert (row["verdict"], done.returncode) in (("same", 0), ("inconclusive", 3)), done.stderr
    assert "the kernels of HEAD are those of this checkout" in done.stderr
    repository.take(0.006)
    done = scalemark(*SURE, "--against", "HEAD")
    assert "uncommitted changes" in done.stderr
    assert (json.loads(done.stdout)[0]["verdict"], done.returncode) == ("slower", 1)


def test_back_at_a_base_it_is_measured_anew_for_its_partner_has_been_paired_with_another(
    repository: Repository, scalemark: Scalemark
) -> None:
    repository.git("tag", "first")
    (repository.folder / "notes").write_text("nothing of a kernel\n")
    repository.commit("second")
    for launches, base in enumerate(("first", "HEAD", "first"), 1):
        done = scalemark(*SWEEP, "--repeats", "1", "--against", base)
        assert len(records("results")) == 2 * launches, done.stderr
    scalemark(*SWEEP, "--repeats", "1", "--against", "first")
    assert len(records("results")) == 6


def test_what_cannot_be_a_base_is_told_in_a_line(
    repository: Repository, scalemark: Scalemark, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository.folder / "harness" / "measure" / "rank.py").unlink()
    repository.commit("no harness")
    repository.git("checkout", "--quiet", "HEAD~1")
    for arguments, words in (
        (["nowhere"], "--against nowhere: neither an image nor a commit"),
        (["main"], "--against main: the commit has no harness that starts"),
        (["bare"], "base and candidate are both bare"),
        (["HEAD", "--stack", "bare"], "a commit is measured against this checkout"),
        (["missing.sif"], "missing.sif"),
    ):
        done = scalemark(*SWEEP, "--against", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    shutil.rmtree(repository.folder / ".git")
    done = scalemark(*SWEEP, "--against", "main")
    assert done.returncode == 2
    assert "is not a git checkout" in done.stderr


def steps_of_page() -> dict[str, str]:
    """The shell of docs/ci.md: GitHub's steps by their names, and what GitLab runs up to the comment."""
    page = (PROJECT / "docs" / "ci.md").read_text()
    github = dict(re.findall(r"- name: (\w+)\n(?: {8}(?!run:).*\n)*? {8}run: \|\n((?: {10}.*\n)+)", page))
    github |= dict(re.findall(r"- name: (\w+)\n(?: {8}(?!run:).*\n)*? {8}run: ([^|\n]+)\n", page))
    sections = re.findall(r"^  (script|after_script):\n((?:    - \w.*\n)+)", page, re.MULTILINE)
    gitlab = {name: re.sub("^    - ", "", lines, flags=re.MULTILINE) for name, lines in sections}
    return {name: textwrap.dedent(shell) for name, shell in (github | gitlab).items()}


class Runner:
    """A CI job's own clone of the repository, in which the page's sweep measures the kernel ``nothing``."""

    def __init__(self, origin: Path, folder: Path, branch: str, environment: dict[str, str]) -> None:
        subprocess.run(["git", "clone", "--quiet", "--branch", branch, f"file://{origin}", str(folder)], check=True)
        self.folder = folder
        (folder / "benchmarks").mkdir()
        gate = 'name = "gate"\nrepeats = 5\nbudget_s = 0.05\n[[cases]]\nkernel = "nothing"\n'
        (folder / "benchmarks" / "gate.toml").write_text(gate)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = os.environ | {"PATH": path, "PYTHONPATH": str(folder)} | environment

    def run(self, shell: str) -> int:
        """Run a step as the services do; its exit code."""
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", shell]
        return subprocess.run(command, cwd=self.folder, env=self.environment, timeout=120).returncode


def test_the_github_page_fails_a_pull_request_that_is_slower(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "-b", "slow")
    repository.take(0.006)
    repository.commit("slower")
    steps = steps_of_page()
    summary = tmp_path / "summary.md"
    runner = Runner(
        repository.folder, tmp_path / "job", "slow", {"BASE": "origin/main", "GITHUB_STEP_SUMMARY": str(summary)}
    )
    assert runner.run(steps["Measure"]) == 1
    assert summary.read_text().startswith("**scalemark: 1 slower**")
    assert runner.run(steps["Export"]) == 0
    tests = xml.etree.ElementTree.parse(runner.folder / "junit.xml").getroot().iter("testcase")
    assert len(list(tests)) == 2


def test_the_gitlab_page_lets_an_unchanged_merge_request_pass(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "-b", "other")
    (repository.folder / "README.md").write_text("unchanged\n")
    repository.commit("words")
    steps = steps_of_page()
    runner = Runner(repository.folder, tmp_path / "job", "other", {"BASE": "main"})
    # 3 is what allow_failure names
    assert runner.run(steps["script"]) in (0, 3)
    assert runner.run(steps["after_script"]) == 0
    assert (runner.folder / "junit.xml").exists()
    assert "1 slower" not in (runner.folder / "verdicts.md").read_text()


def test_the_pages_own_sweep_is_one(scalemark: Scalemark) -> None:
    (toml,) = re.findall(r"```toml\n(.*?)```", (PROJECT / "docs" / "ci.md").read_text(), re.DOTALL)
    Path("gate.toml").write_text(toml)
    done = scalemark("sweep", "gate.toml", "--dry-run", "--format", "json")
    assert done.returncode == 0, done.stderr
