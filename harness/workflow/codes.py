"""Exit codes, and how commands complain."""

from __future__ import annotations

import click

DONE, BAD_ANSWER, BAD_QUESTION, UNDECIDED, INTERRUPTED = 0, 1, 2, 3, 130


def say(line: str) -> None:
    """One line to a person, on standard error."""
    click.echo(f"scalemark: {line}", err=True)
