"""Saying what is here and what will bite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harness.doctor.examinations import choose
from harness.doctor.finding import conduct
from harness.images.image import image_folder
from harness.images.stacks import AUTO, BARE
from harness.launch.site import load_site
from harness.present import diagnosis
from harness.workflow.codes import BAD_ANSWER, DONE
from kernels import registry
from kernels.api import InputError


def doctor(results: Path, format_: str, stacks: Sequence[str], site: str | None) -> int:
    """Examine this machine, the images asked for and the site, and print what was found."""
    findings = list(conduct(choose(results, _images(stacks), load_site(site) if site else None)))
    click.echo(diagnosis.render(findings, format_))
    return BAD_ANSWER if any(finding.severity == "error" for finding in findings) else DONE


def _images(stacks: Sequence[str]) -> list[Path]:
    """The image files that ``--stack`` words mean; ``auto`` is every kernel's own that has been built."""
    paths: list[Path] = []
    for word in stacks:
        if word == AUTO:
            paths += _own_images()
        elif word != BARE:
            paths.append(Path(word))
    return paths


def _own_images() -> list[Path]:
    folder = image_folder()
    found = [path for name in registry.names() if (path := folder / f"{name}.sif").exists()]
    if not found:
        raise InputError(f"{folder}: no image of any kernel; make one with `scalemark build NAME`")
    return found
