"""Building one image: made, checked and described in a folder of its own, and only then put in its place.

Apptainer's command is called directly. Its Python client (spython 0.3.14) streams a build's standard output and lets
its standard error fill a pipe nobody reads, so that a talkative build hangs for ever; it knows the command only by the
name ``singularity``; and a build it has started cannot be stopped. Images built here are ordinary ones to spython.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.images import host_loan, image
from harness.images.image import BuildReport
from harness.images.recipes import Recipe, Source
from harness.store.write import write_atomic
from harness.system import processes

# packs and unpacks several times faster than the default gzip, to the same size
_SQUASHFS = "-comp zstd -Xcompression-level 1"
_LAST_LINES = 5
# what lies on the host can neither help an image nor spoil it
_ALONE = ("--cleanenv", "--no-home", "--no-mount=cwd", "--pwd=/")
WORK_PREFIX = ".build-"

Progress = Callable[[str, str], None]
# work that gives way whenever it waits for a process
Step = Generator[None, None, None]


class BuildError(Exception):
    """A build or its check failed; the message names the image, what was said last, and the log."""


class ImageBuild:
    """One image on its way from a recipe to a finished file, in a folder of its own beside the other images."""

    def __init__(self, recipe: Recipe, images: Path, apptainer: str, progress: Progress) -> None:
        self.recipe = recipe
        self.images = images.resolve()
        self.apptainer = apptainer
        self.progress = progress
        self.log = self.images / f"{recipe.name}.log"

    def run(self, source: Source, inputs: str, base_sha256: str) -> Generator[None, None, BuildReport]:
        """Build, check, describe, and only then take the place of the image that was there; yields while it waits."""
        started = time.monotonic()
        self.log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=WORK_PREFIX, dir=self.images) as name:
            work = Path(name)
            made = work / f"{self.recipe.name}.sif"
            yield from self._make(made, source, base_sha256, work)
            yield from self._call(work, "test", *_ALONE, "--net", "--network=none", str(made))
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

    def _make(self, made: Path, source: Source, base_sha256: str, work: Path) -> Step:
        arguments = work / "arguments"
        from_, bootstrap = yield from self._foundation(source, work)
        values = self.recipe.arguments(from_, bootstrap, self.recipe.base(source, base_sha256))
        arguments.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        loan = work / "loan"
        loan.mkdir()
        # --force, or the base's labels and help would stand
        options = [
            "--fakeroot",
            "--notest",
            "--force",
            f"--mksquashfs-args={_SQUASHFS}",
            f"--build-arg-file={arguments}",
            *host_loan.lend(loan),
        ]
        yield from self._call(work, "build", *options, str(made), str(self.recipe.path.resolve()))

    def _foundation(self, source: Source, work: Path) -> Generator[None, None, tuple[str, str]]:
        """What the recipe's ``From`` and ``Bootstrap`` say."""
        row = self.recipe.row
        if row.base:
            return str(self.images / f"{row.base}.sif"), "localimage"
        if source == "registry":
            return row.registry, "docker"
        root = work / "root"
        yield from self._follow(work, [str(self.recipe.mirror_script.resolve()), str(root)])
        return str(root), "localimage"

    def _packages(self, made: Path) -> dict[str, str]:
        """Name and version of every Python package inside."""
        program = ["python", "-m", "pip", "list", "--format=json", "--exclude-editable"]
        command = [self.apptainer, "exec", *_ALONE, str(made), *program]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
        return {package["name"]: package["version"] for package in json.loads(listed)}

    def _publish(self, made: Path, report: BuildReport) -> None:
        """An image never stands beside the report of another one: the old report goes first."""
        final = self.images / made.name
        image.report_path(final).unlink(missing_ok=True)
        made.replace(final)
        image.remember(final, image.ImageInfo(sha256=report.sha256, size_bytes=report.size_bytes, labels=report.labels))
        write_atomic(image.report_path(final), msgspec.json.format(msgspec.json.encode(report)))

    def _call(self, work: Path, action: str, *arguments: str) -> Step:
        # the recipes' %files are named from the checkout's root
        yield from self._follow(
            work, ["env", f"--chdir={self.recipe.project.resolve()}", self.apptainer, action, *arguments]
        )

    def _follow(self, work: Path, command: list[str]) -> Step:
        """Run a command to its end, its lines to the log and to whoever wants to know."""
        temporary = {"APPTAINER_TMPDIR": str(work), "TMPDIR": str(work)}
        offset = self.log.stat().st_size if self.log.exists() else 0
        process = processes.start(command, os.environ | temporary, self.log)
        with self.log.open(errors="replace") as stream:
            stream.seek(offset)
            try:
                while process.poll() is None:
                    self._tell(stream.read())
                    yield
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
