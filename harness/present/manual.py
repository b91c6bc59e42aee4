"""The manual: a page a command in Markdown, from what `--help` says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

_PREFACE = """\
# Commands

Made from `scalemark --help` by `nox -s docs`; a test holds it to that.

The shell completes commands, options, their values, kernels with their backends and parameters, sweeps, baselines and
results after one line in its start-up file:

```sh
eval "$(_SCALEMARK_COMPLETE=bash_source scalemark)"    # ~/.bashrc
eval "$(_SCALEMARK_COMPLETE=zsh_source scalemark)"     # ~/.zshrc
_SCALEMARK_COMPLETE=fish_source scalemark | source     # ~/.config/fish/config.fish
```
"""


def render_manual(command: click.Command, name: str) -> str:
    """The manual of a command and all commands below it, as one Markdown document."""
    return "\n".join([_PREFACE, *_pages(_context(command, name))])


def _pages(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = command.get_usage(context).partition(" ")[2]
    parts = [f"## {context.command_path}", _code([" ".join(usage.split())]), *_description(command.help or "")]
    parts += [_options(context)]
    yield "\n\n".join(filter(None, parts)) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _pages(_context(below, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def _description(help_: str) -> Iterator[str]:
    """The paragraphs; those that click is told not to wrap are examples."""
    for paragraph in inspect.cleandoc(help_).split("\n\n"):
        lines = paragraph.strip().splitlines()
        if lines and lines[0] == "\b":
            yield _code(lines[1:])
        else:
            yield "\n".join(lines)


def _options(context: click.Context) -> str:
    records = [parameter.get_help_record(context) for parameter in context.command.get_params(context)]
    rows = [f"| `{_cell(names)}` | {_cell(told)} |" for names, told in filter(None, records) if told]
    return "\n".join(["| option | meaning |", "|---|---|", *rows]) if rows else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(lines: list[str]) -> str:
    return "\n".join(["```sh", *lines, "```"])
