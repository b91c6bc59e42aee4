"""Building images: in dependency order, only what changed, whole or not at all.

Apptainer's command is called directly. Its Python client (spython 0.3.14) streams a build's standard output and lets
its standard error fill a pipe nobody reads, so that a talkative build hangs for ever; it knows the command only by the
name ``singularity``; and a build it has started cannot be stopped. Images built here are ordinary ones to spython.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from harness.launch import host_loan, image, processes, recipes
from harness.launch.image import BuildReport
from harness.launch.recipes import Recipe, Source
from harness.store.write import write_atomic
from kernels.api import InputError

# packs and unpacks several times faster than the default gzip, to the same size
_SQUASHFS = "-comp zstd -Xcompression-level 1"
_POLL_S = 0.1
_LAST_LINES = 5
_WORK_PREFIX = ".build-"

Progress = Callable[[str, str], None]


class BuildError(Exception):
    """A build or its check failed; the message names the image, what was said last, and the log."""


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
    with _claim(images):
        for recipe in order:
            base_sha256 = reports[recipe.row.base].sha256 if recipe.row.base else ""
            inputs = recipe.inputs(source, base_sha256)
            report = _finished(images / f"{recipe.name}.sif", inputs)
            if report is None:
                report = _Build(recipe, images, apptainer, progress).run(source, inputs, base_sha256)
            else:
                progress(recipe.name, "nothing has changed")
            reports[recipe.name] = report
    return list(reports.values())


def _finished(path: Path, inputs: str) -> BuildReport | None:
    """The report of an image that is what a build now would make, else None."""
    report = image.read_report(path)
    if report is None or report.inputs != inputs or not path.exists() or path.stat().st_size != report.size_bytes:
        return None
    return report


@contextlib.contextmanager
def _claim(images: Path) -> Iterator[None]:
    """Hold the folder of images for this process; what a killed build left in it is cleared away."""
    try:
        images.mkdir(parents=True, exist_ok=True)
        stream = (images / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{images}: {error.strerror}; name a folder you can write to in SCALEMARK_IMAGES") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{images}: another process is building images here; wait for it to end") from error
        for left in images.resolve().glob(f"{_WORK_PREFIX}*"):
            _end_users(left)
            shutil.rmtree(left, ignore_errors=True)
        yield


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


class _Build:
    """One image on its way from a recipe to a finished file, in a folder of its own beside the other images."""

    def __init__(self, recipe: Recipe, images: Path, apptainer: str, progress: Progress) -> None:
        self.recipe = recipe
        self.images = images.resolve()
        self.apptainer = apptainer
        self.progress = progress
        self.log = self.images / f"{recipe.name}.log"

    def run(self, source: Source, inputs: str, base_sha256: str) -> BuildReport:
        """Build, check, describe, and only then take the place of the image that was there."""
        started = time.monotonic()
        self.log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=self.images) as name:
            work = Path(name)
            made = work / f"{self.recipe.name}.sif"
            self._make(made, source, base_sha256, work)
            self._call(work, "test", "--cleanenv", "--no-home", str(made))
            report = BuildReport(
                image=self.recipe.name,
                sha256=image.file_digest(made),
                size_bytes=made.stat().st_size,
                built=datetime.now(UTC).isoformat(timespec="seconds"),
                build_s=round(time.monotonic() - started, 1),
                inputs=inputs,
                labels=image.read_labels(made),
                packages=self._packages(made),
            )
            self._publish(made, report)
        self.progress(self.recipe.name, f"built in {report.build_s:.0f} s, {report.size_bytes / 1e6:.0f} MB")
        return report

    def _make(self, made: Path, source: Source, base_sha256: str, work: Path) -> None:
        arguments = work / "arguments"
        from_, bootstrap = self._foundation(source, work)
        values = self.recipe.arguments(from_, bootstrap, self.recipe.base(source, base_sha256))
        arguments.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        # bind options have no way to quote a path, so the loan lies where no user chose the name
        with tempfile.TemporaryDirectory(prefix="scalemark-") as loan:
            # --force, or the base's labels and help would stand
            options = [
                "--fakeroot",
                "--notest",
                "--force",
                f"--mksquashfs-args={_SQUASHFS}",
                f"--build-arg-file={arguments}",
            ]
            self._call(work, "build", *options, *host_loan.lend(Path(loan)), str(made), str(self.recipe.path.resolve()))

    def _foundation(self, source: Source, work: Path) -> tuple[str, str]:
        """What the recipe's ``From`` and ``Bootstrap`` say."""
        row = self.recipe.row
        if row.base:
            return str(self.images / f"{row.base}.sif"), "localimage"
        if source == "registry":
            return row.registry, "docker"
        root = work / "root"
        self._follow(work, [str(self.recipe.mirror_script.resolve()), str(root)])
        return str(root), "localimage"

    def _packages(self, made: Path) -> dict[str, str]:
        """Name and version of every Python package inside."""
        program = ["python", "-m", "pip", "list", "--format=json", "--exclude-editable"]
        command = [self.apptainer, "exec", "--cleanenv", "--no-home", str(made), *program]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
        return {package["name"]: package["version"] for package in json.loads(listed)}

    def _publish(self, made: Path, report: BuildReport) -> None:
        """An image never stands beside the report of another one: the old report goes first."""
        final = self.images / made.name
        image.report_path(final).unlink(missing_ok=True)
        made.replace(final)
        write_atomic(image.report_path(final), msgspec.json.format(msgspec.json.encode(report)))

    def _call(self, work: Path, action: str, *arguments: str) -> None:
        # the recipes' %files are named from the checkout's root
        self._follow(work, ["env", f"--chdir={self.recipe.project.resolve()}", self.apptainer, action, *arguments])

    def _follow(self, work: Path, command: list[str]) -> None:
        """Run a command to its end, its lines to the log and to whoever wants to know."""
        temporary = {"APPTAINER_TMPDIR": str(work), "TMPDIR": str(work)}
        offset = self.log.stat().st_size if self.log.exists() else 0
        process = processes.start(command, os.environ | temporary, self.log)
        with self.log.open(errors="replace") as stream:
            stream.seek(offset)
            try:
                while process.poll() is None:
                    self._tell(stream.read())
                    time.sleep(_POLL_S)
            finally:
                processes.end(process)
            self._tell(stream.read())
        if process.returncode != 0:
            lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            said = " / ".join(lines[-_LAST_LINES:])
            ended = processes.describe_exit(process.returncode)
            raise BuildError(f"image {self.recipe.name}: {ended}: {said} (all of it: {self.log})")

    def _tell(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip():
                self.progress(self.recipe.name, line.strip())
