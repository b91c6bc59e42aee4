"""Exit codes, and how commands complain."""

from __future__ import annotations

from collections.abc import Iterable

import click

DONE, BAD_ANSWER, BAD_QUESTION, UNDECIDED, INTERRUPTED = 0, 1, 2, 3, 130


def say(line: str) -> None:
    """One line to a person, on standard error."""
    click.echo(f"scalemark: {line}", err=True)


def name_damages(damages: Iterable[object]) -> bool:
    """Name every file that had to be skipped, a line each; whether there was any."""
    lines = dict.fromkeys(map(str, damages))
    for line in lines:
        say(line)
    return bool(lines)
