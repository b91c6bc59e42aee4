"""The manual: that the committed one is what the commands say, and that the shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import cli
from harness.present.manual import render_manual

ROOT = Path(__file__).parents[3]


def test_the_committed_manual_is_what_the_commands_say():
    manual = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert manual == render_manual(cli, "scalemark"), "docs/commands.md is out of date: nox -s docs"


def test_every_command_has_a_page_with_its_usage_and_its_options():
    manual = render_manual(cli, "scalemark")
    assert "## scalemark report\n\n```sh\nscalemark report [OPTIONS] [SWEEPS]...\n```" in manual
    assert "## scalemark baseline save\n" in manual
    assert "| `--threshold PERCENT` | A change that matters, in per cent.  [default: 5%] |" in manual


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("scalemark rep", "plain,report"),
        ("scalemark report --form", "plain,--format"),
        ("scalemark report --format p", "plain,pdf\nplain,png"),
        ("scalemark run qcnn", "plain,qcnn_layer"),
        ("scalemark table naps", ""),
        ("scalemark run qcnn_layer --backend li", "plain,lightning"),
        ("scalemark sweep allreduce --set dtype=float6", "plain,dtype=float64"),
    ],
)
def test_the_shell_completes(words, completed):
    asked = {"_SCALEMARK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    scalemark = Path(sys.executable).with_name("scalemark")
    done = subprocess.run([scalemark], env=os.environ | asked, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == completed
    assert done.stderr == ""
