"""Writes docs/commands.md from the commands' own help; `nox -s docs` runs it."""

from pathlib import Path

from harness.cli import cli
from harness.present.manual import render_manual

Path(__file__).with_name("commands.md").write_text(render_manual(cli, "scalemark"), encoding="utf-8")
