"""The batch script and the site file: what a user writes arrives as it is, and nothing of it is ever run."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.case import CaseGroup, SweepFile, expand
from harness.launch import slurm
from harness.launch.jobs import Job, JobPlan
from harness.launch.plan import Launch
from harness.launch.site import Site, load_site
from harness.store.record import Stack
from kernels.api import InputError

(CASE,) = (item.case for item in expand(SweepFile(name="s", cases=(CaseGroup(kernel="nothing"),))).cases)
HOSTILE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    [
        "$(touch canary)",
        "`touch canary`",
        "'; touch canary; '",
        '"; touch canary; "',
        "a\ntouch canary",
        "-n",
        "$HOME",
        "*",
    ]
)
# a path cannot hold a slash within a name, and a script refuses line breaks in paths
NAME = HOSTILE.filter(
    lambda text: text not in ("", ".", "..") and "/" not in text and not any(ord(letter) < 32 for letter in text)
).filter(lambda text: len(text.encode()) < 200)

# stands for the interpreter: says what it was called with, word by word
SAY = """#!/bin/bash
printf '%s\\0' "$PWD" "$VALUE" "$@"
"""


def make_plan(results: Path, site: Site) -> JobPlan:
    launch = Launch(scale=CASE.scale, stack=Stack(), repeat=0, cases=[CASE])
    return JobPlan(
        sweep="s", results=str(results), nodes=1, budget_s=1, limit_s=60, code={}, site=site, launches=[launch]
    )


@settings(max_examples=60, deadline=None)
@given(name=NAME, value=HOSTILE)
def test_hostile_paths_and_values_arrive_as_they_are(name: str, value: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, name)
        folder.mkdir()
        say = Path(home, "python")
        say.write_text(SAY)
        say.chmod(stat.S_IRWXU)
        site = msgspec.convert({"python": str(say), "environment": {"VALUE": value}}, Site)
        before = Path.cwd()
        os.chdir(folder)
        try:
            script = slurm.script(Job(folder=folder), make_plan(folder, site))
        finally:
            os.chdir(before)
        done = subprocess.run(["bash"], input=script.encode(), capture_output=True, cwd=home, timeout=30)
        assert done.returncode == 0, done.stderr
        told = done.stdout.decode().split("\0")
        assert told == [str(folder), value, "-m", "harness.launch.batch", str(folder), ""]
        assert sorted(path.name for path in Path(home).iterdir()) == sorted({name, "python"})


@given(word=HOSTILE)
def test_what_a_shell_would_take_for_more_than_a_word_never_gets_into_a_site(word: str) -> None:
    for field in ("partition", "account", "constraint"):
        try:
            site = msgspec.convert({field: word}, Site)
        except msgspec.ValidationError:
            continue
        assert not set(getattr(site, field)) & set(" \t\n\r'\"`$;<>\\")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partition = 3", ["partition", "`str`", "found 3"]),
        ("partiton = 'a'", ["unknown field", "partiton"]),
        ("options = ['exclusive']", ["options[0]", "'exclusive'"]),
        ("modules = ['a; rm -rf /']", ["modules[0]", "a; rm"]),
        ("job_limit_s = 5", ["job_limit_s", ">= 60", "5"]),
        ("pmi = 'pmi3'", ["pmi", "pmi3"]),
        ("binds = ['scratch']", ["binds[0]", "scratch"]),
        ("partition = ", ["not TOML"]),
    ],
)
def test_a_bad_site_is_told_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        load_site(str(path))
    assert str(raised.value).startswith(str(path))
    for word in words:
        assert word in str(raised.value)


def test_an_unknown_site_says_where_it_was_looked_for() -> None:
    with pytest.raises(InputError, match=r"no site 'nowhere': looked for sites/nowhere\.toml and .*scalemark/sites"):
        load_site("nowhere")


def test_the_script_asks_for_the_nodes_ranks_and_time_of_its_plan(tmp_path: Path) -> None:
    site = Site(partition="debug", account="me", gpus_per_node=2, options=("--exclusive",), modules=("gcc/13",))
    script = slurm.script(Job(folder=tmp_path / "job"), make_plan(tmp_path, site))
    for line in ("--nodes=1", "--ntasks-per-node=1", "--partition=debug", "--account=me", "--gpus-per-node=2"):
        assert f"#SBATCH {line}\n" in script
    assert "#SBATCH --exclusive\n" in script
    assert "module load gcc/13\n" in script
    assert script.startswith("#!/bin/bash\n#SBATCH")


@pytest.mark.parametrize(
    ("state", "phase", "status"),
    [
        ("PENDING", "waiting", None),
        ("REQUEUED", "waiting", None),
        ("RUNNING", "running", None),
        ("COMPLETING", "running", None),
        ("TIMEOUT", "over", "timeout"),
        ("NODE_FAIL", "over", "node_failure"),
        ("OUT_OF_MEMORY", "over", "out_of_memory"),
        ("PREEMPTED", "over", "cancelled"),
        ("CANCELLED", "over", "cancelled"),
        ("COMPLETED", "over", "failed"),
        ("UNKNOWN", "unknown", "failed"),
    ],
)
def test_a_job_is_judged_by_its_state(state: str, phase: str, status: str | None) -> None:
    found = slurm.JobState(state=state)
    assert found.phase == phase
    if status is not None:
        assert found.verdict[0] == status
