"""Building images, with a line for everything that happens to one."""

from __future__ import annotations

import time
from typing import Any

import click

from harness.images import build as images
from harness.images import image, recipes
from harness.images.image_build import BuildError
from harness.images.recipes import Source
from harness.present import render
from harness.store.source_code import ROOT
from harness.workflow.codes import BAD_ANSWER, DONE, say


def build(names: tuple[str, ...], source: Source, verbose: bool, format_: str) -> int:
    """Build the images named (all kernels' when none is) and what they stand on; print one row an image."""
    folder = image.image_folder()
    chosen = list(names) or [name for name, recipe in recipes.read_table(ROOT).items() if recipe.row.kernel]
    try:
        reports = images.build(chosen, ROOT, folder, source, _Teller(verbose))
    except BuildError as error:
        say(str(error))
        return BAD_ANSWER
    rows: list[dict[str, Any]] = [
        {
            "image": str(folder / f"{report.image}.sif"),
            "size_mb": round(report.size_bytes / 1e6),
            "build_s": report.build_s,
            "built": report.built,
            "packages": len(report.packages),
            "sha256": report.sha256 if format_ != "text" else report.sha256[:12],
        }
        for report in reports
    ]
    click.echo(render.rows(rows, format_))
    return DONE


class _Teller:
    """A line to standard error when an image's work begins and ends; with ``verbose`` every line that is said."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        self.started_s = time.monotonic()
        self.begun: set[str] = set()

    def __call__(self, name: str, line: str) -> None:
        ended = line.startswith(("built in", "nothing has changed"))
        if self.verbose or ended or name not in self.begun:
            told = line if self.verbose or ended else "building"
            say(f"[{time.monotonic() - self.started_s:4.0f} s] {name}: {told}")
        self.begun.add(name)
