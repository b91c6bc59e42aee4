"""Every command line that the README, the documents and the sweeps' headers show can be meant as it stands there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from harness.cli import cli
from harness.launch.selection import find_sweeps, sweep_files
from kernels import registry
from kernels.api import parse_parameters

ROOT = Path(__file__).parent.parent
# a line of a script, perhaps of a workflow's, a session or a TOML file's header
LINE = re.compile(r"^(?:#|- run: | *- | *run: |\$ )? *(?:\w+=\S+ )?scalemark ([a-z].+)|: scalemark (sweep .+)")
# what belongs to a shell, and a remark behind spaces
END = re.compile(r"\s{3,}| (?:>|\||&&|#)")
# in prose: a usage, or a command's mere name
NOT_WHOLE = re.compile(r"\b[A-Z]{3,}\b|^[\w-]+$")


def shown() -> Iterator[Any]:
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("benchmarks/*.toml"))]:
        text = path.read_text()
        scripts = text if path.suffix == ".toml" else "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S))
        matches = filter(None, map(LINE.match if path.suffix == ".md" else LINE.search, scripts.splitlines()))
        found = [END.split(match[1] or match[2])[0] for match in matches if "[OPTIONS]" not in match[0]]
        inline = [" ".join(span.split()) for span in re.findall(r"(?<!`)`scalemark ([^`]+)`(?!`)", text)]
        found += [span for span in inline if not NOT_WHOLE.search(span)]
        yield from (pytest.param(line, id=f"{path.name}: {line}") for line in dict.fromkeys(found))


def parse(line: str) -> click.Context:
    name, *arguments = shlex.split(line)
    context = click.Context(cli, info_name="scalemark", **cli.context_settings)
    command = cli.get_command(context, name)
    assert command is not None, f"no command {name}"
    while isinstance(command, click.Group) and arguments:
        command = command.commands[arguments.pop(0)]
    return command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("line", list(shown()))
def test_it_can_be_meant(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given = parse(line).params
    known = registry.all_names() | {path.stem for path in sweep_files()}
    if line.startswith("sweep ") and set(given["what"]) <= known:
        beside = {"against", "threshold", "dry_run", "stacks", "site", "detach", "results", "format_", "limit_s"}
        assert find_sweeps(**{name: value for name, value in given.items() if name not in beside})
    if line.startswith("run "):
        kernel = registry.load(given["kernel"])
        parse_parameters(kernel, given["settings"])
        assert given["backend"] in (None, *kernel.backends)


def test_they_are_found() -> None:
    found = [case.values[0] for case in shown()]
    assert "sweep quantum --backend torch" in found
    assert "sweep cluster --site mycluster --stack auto" in found
    assert "run circuit_sim --set family=qasm --set file=circuit.qasm --set qubits=8" in found
