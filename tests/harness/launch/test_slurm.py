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

from harness.case import CaseGroup, Scale, SweepFile, expand
from harness.launch import slurm
from harness.launch.jobs import JobPlan
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
WORD = st.from_regex(r"[A-Za-z0-9_.,:+/@%=\[\]&|*()~-]{1,20}", fullmatch=True)
# a path cannot hold a slash within a name, and a script refuses line breaks and backslashes in paths
NAME = HOSTILE.filter(
    lambda text: (
        text not in ("", ".", "..") and not set(text) & {"/", "\\"} and not any(ord(letter) < 32 for letter in text)
    )
).filter(lambda text: len(text.encode()) < 200)

# stands for the interpreter: says what it was called with, word by word, after the modules that were loaded
SAY = """#!/bin/bash
printf '%s\\0' "$PWD" "$VALUE" "$@"
"""
MODULE = {"BASH_FUNC_module%%": "() { printf '%s\\0' \"$@\"; }"}


def make_plan(results: Path, site: Site) -> JobPlan:
    launch = Launch(scale=CASE.scale, stack=Stack(), repeat=0, cases=[CASE])
    return JobPlan(
        sweep="s", results=str(results), nodes=1, budget_s=1, limit_s=60, code={}, site=site, launches=[launch]
    )


@settings(max_examples=60, deadline=None)
@given(name=NAME, value=HOSTILE, module=WORD, place=NAME)
def test_hostile_paths_values_and_modules_arrive_as_they_are(name: str, value: str, module: str, place: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, name)
        folder.mkdir()
        Path(home, "bin", place).mkdir(parents=True)
        say = Path(home, "bin", place, "python")
        say.write_text(SAY)
        say.chmod(stat.S_IRWXU)
        content = {"python": str(say), "environment": {"VALUE": value}, "modules": [module]}
        try:
            site = msgspec.convert(content, Site)
        except msgspec.ValidationError:
            assert any(letter in place for letter in ":,\x7f")
            return
        before = Path.cwd()
        os.chdir(folder)
        try:
            script = slurm.script(folder, make_plan(folder, site))
        finally:
            os.chdir(before)
        done = subprocess.run(
            ["bash"], input=script.encode(), capture_output=True, cwd=home, timeout=30, env=os.environ | MODULE
        )
        assert done.returncode == 0, done.stderr
        told = done.stdout.decode().split("\0")
        words = ["-m", "harness.launch.batch", str(folder), ""]
        assert told == ["load", module, str(folder), value, *words]
        assert {path.name for path in Path(home).iterdir()} == {name, "bin"}


@pytest.mark.parametrize("letter", ["\n", "\r", "\t", "\x1b", "\\"])
def test_a_path_that_no_script_can_hold_is_refused(tmp_path: Path, letter: str) -> None:
    with pytest.raises(InputError, match=r"cannot stand in a batch script|with a backslash"):
        slurm.script(tmp_path / f"a{letter}touch canary", make_plan(tmp_path, Site()))


@pytest.mark.parametrize(
    "site",
    [Site(modules=("absent/1",)), Site(script=("false",)), Site(script=("ulimit -n 1000000000",))],
    ids=["module", "script", "limit"],
)
def test_a_line_that_fails_ends_the_job_before_anything_is_measured(tmp_path: Path, site: Site) -> None:
    python = tmp_path / "python"
    python.write_text(SAY)
    python.chmod(stat.S_IRWXU)
    text = slurm.script(tmp_path, make_plan(tmp_path, msgspec.structs.replace(site, python=str(python))))
    no_module = {"BASH_FUNC_module%%": "() { return 1; }"}
    done = subprocess.run(["bash"], input=text.encode(), capture_output=True, env=os.environ | no_module, timeout=30)
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_site_s_script_runs_first_and_as_it_is(tmp_path: Path) -> None:
    site = Site(script=("ulimit -c 0", "export VALUE=$(ulimit -c)"), python="/bin/echo", environment={"A": "$VALUE"})
    text = slurm.script(tmp_path, make_plan(tmp_path, site)).replace("exec /bin/echo", 'echo "$VALUE" "$A";')
    done = subprocess.run(["bash"], input=text.encode(), capture_output=True, timeout=30)
    assert done.stdout == b"0 $VALUE\n"


def test_a_job_asks_for_the_cores_of_its_largest_case_only(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, Site())
    launches = [
        msgspec.structs.replace(plan.launches[0], scale=Scale(1, ranks, threads))
        for ranks, threads in [(16, 1), (1, 16), (3, 6)]
    ]
    text = slurm.script(tmp_path, msgspec.structs.replace(plan, launches=launches))
    assert "--ntasks-per-node=16\n" in text
    assert "--cpus-per-task=2\n" in text


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
        ('script = ["a\\nb"]', ["script[0]"]),
        ("script = ['ulimit -l unlimited # all']", ["script[0]", "# all"]),
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
    script = slurm.script(tmp_path / "job", make_plan(tmp_path, site))
    for line in ("--nodes=1", "--ntasks-per-node=1", "--partition=debug", "--account=me", "--gpus-per-node=2"):
        assert f"#SBATCH {line}\n" in script
    assert "#SBATCH --exclusive\n" in script
    assert "module load gcc/13 || exit 1\n" in script
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
        ("UNKNOWN", "over", "failed"),
    ],
)
def test_a_job_is_judged_by_its_state(state: str, phase: str, status: str | None) -> None:
    found = slurm.JobState(state=state)
    assert found.phase == phase
    if status is not None:
        assert found.verdict[0] == status
