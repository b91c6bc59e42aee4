"""Building images: in dependency order, two at once, only what changed, whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from harness.images import image, recipes
from harness.images.image import BuildReport
from harness.images.image_build import WORK_PREFIX, ImageBuild, Progress, Step
from harness.images.recipes import Recipe, Source
from harness.system.holding import hold
from kernels.api import InputError

_POLL_S = 0.1
_AT_ONCE = 2
_ENDED = object()


def build(names: list[str], project: Path, images: Path, source: Source, progress: Progress) -> list[BuildReport]:
    """Build the images named, after the bases they stand on, where anything they are made of has changed.

    Args:
        names: images of the table ``containers/images.toml``.
        project: the checkout that recipes and code come from.
        images: the folder of images, ``NAME.sif``; beside each a report ``NAME.json`` and a log ``NAME.log``.
        source: where the first bases come from, an image registry or this machine's Debian mirror.
        progress: called with an image's name and a line of what is happening to it.

    Returns:
        One report for each image named and each of its bases, bases first.

    Raises:
        InputError: an unknown image, a malformed table, no Apptainer, a folder that takes no files or is in use.
        BuildError: a build or a check that failed. Images that were there before are still there, unharmed.
    """
    apptainer = image.find_apptainer()
    order = recipes.in_order(recipes.read_table(project), names)
    reports: dict[str, BuildReport] = {}

    def make(recipe: Recipe) -> Step:
        base_sha256 = reports[recipe.row.base].sha256 if recipe.row.base else ""
        inputs = recipe.inputs(source, base_sha256)
        report = finished(images / f"{recipe.name}.sif", inputs)
        if report is None:
            report = yield from ImageBuild(recipe, images, apptainer, progress).run(source, inputs, base_sha256)
        else:
            progress(recipe.name, "nothing has changed")
        reports[recipe.name] = report

    held = hold(
        images,
        taken=f"{images}: another process is building images here; wait for it to end",
        remedy="name a folder you can write to in SCALEMARK_IMAGES",
    )
    with held:
        _clear(images)
        advance(order, make, reports)
    return [reports[recipe.name] for recipe in order]


def advance(order: list[Recipe], make: Callable[[Recipe], Step], done: Mapping[str, Any]) -> None:
    """Take builds through their steps, so many at once as have their bases; the first that fails ends all.

    A build packs files on all cores and checks answers on one: two at once keep a machine busy.
    """
    waiting, running = list(order), dict[str, Step]()
    try:
        while waiting or running:
            for recipe in [recipe for recipe in waiting if not recipe.row.base or recipe.row.base in done]:
                if len(running) < _AT_ONCE:
                    waiting.remove(recipe)
                    running[recipe.name] = make(recipe)
            for name, step in list(running.items()):
                if next(step, _ENDED) is _ENDED:
                    del running[name]
            if running:
                time.sleep(_POLL_S)
    finally:
        for step in running.values():
            step.close()


def finished(path: Path, inputs: str) -> BuildReport | None:
    """The report of an image that is whole and what a build now would make, else None."""
    report = image.read_report(path)
    if report is None or report.inputs != inputs:
        return None
    try:
        image.inspect(path)
    except InputError:
        return None
    return report


def _clear(images: Path) -> None:
    """Clear away what killed builds left in the folder of images."""
    for left in images.resolve().glob(f"{WORK_PREFIX}*"):
        _end_users(left)
        _refuse_mounts(left)
        shutil.rmtree(left, ignore_errors=True)


def _refuse_mounts(folder: Path) -> None:
    """Clearing a folder in which something else is mounted would clear that too."""
    for partition in psutil.disk_partitions(all=True):
        if Path(partition.mountpoint).is_relative_to(folder):
            raise InputError(
                f"{partition.mountpoint}: mounted by a build that was killed; unmount it, then build again"
            )


def _end_users(folder: Path) -> None:
    """End what a killed build had started and left behind: all that names its folder, which nobody else can."""
    users = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
    for process in users:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(users, timeout=10)
