"""Images that ranks run in: where they lie, what they are, and whether they are whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.store.record import SCHEMA
from harness.store.write import write_atomic
from kernels.api import InputError

# SIF's global header (sylabs/sif, pkg/sif: header): a magic word, and where the data lies in the file
_SIF_MAGIC, _SIF_MAGIC_OFFSET = b"SIF_MAGIC\0", 32
_SIF_DATA, _SIF_DATA_OFFSET = "<qq", 112
_SIF_HEADER_BYTES = 128


class ImageInfo(Struct, frozen=True, kw_only=True):
    """An image as its content says. ``kernel`` is empty and ``record_schema`` 0 where a label is absent."""

    sha256: str
    size_bytes: int
    labels: dict[str, str]

    @property
    def kernel(self) -> str:
        """The kernel that `apptainer run` measures."""
        return self.labels.get("scalemark.kernel", "")

    @property
    def record_schema(self) -> int:
        """The schema of the records that the code inside writes."""
        text = self.labels.get("scalemark.record_schema", "")
        return int(text) if text.isdecimal() else 0


class BuildReport(Struct, frozen=True, kw_only=True):
    """What a build leaves beside its image; ``inputs`` digests all it was made of, ``built`` is UTC, ISO 8601."""

    image: str
    sha256: str
    size_bytes: int
    built: str
    build_s: float
    inputs: str
    labels: dict[str, str]
    packages: dict[str, str]


def image_folder() -> Path:
    """Where images are kept: ``$SCALEMARK_IMAGES``, or ``images`` in the working directory."""
    return Path(os.environ.get("SCALEMARK_IMAGES") or "images")


def find_apptainer() -> str:
    """Path of the ``apptainer`` command; raises `InputError` that says how to get one."""
    path = shutil.which("apptainer")
    if path is None:
        raise InputError(
            "no apptainer on PATH: load your cluster's module (module load apptainer) or install the package; "
            "on a Debian machine, as root, tests/cluster/setup-apptainer.sh does"
        )
    return path


def inspect(path: Path) -> ImageInfo:
    """What the image at ``path`` is.

    A whole image is read once; as long as its size and time of change stay the same, what was found is remembered.

    Raises:
        InputError: there is no such file, it is no Apptainer image, or it is not what its build left.
    """
    stat = _check_file(path)
    info = _recall(_memory(path, stat))
    if info is None:
        info = ImageInfo(sha256=file_digest(path), size_bytes=stat.st_size, labels=read_labels(path))
        remember(path, info)
    report = read_report(path)
    if report is not None and report.sha256 != info.sha256:
        raise InputError(
            f"{path}: damaged or replaced: SHA-256 is {info.sha256[:12]}..., its build left {report.sha256[:12]}...; "
            f"build it again with `scalemark build {report.image}`"
        )
    return info


def remember(path: Path, info: ImageInfo) -> None:
    """Keep what the image that lies at ``path`` now is known to be."""
    try:
        write_atomic(_memory(path, path.stat()), msgspec.json.encode(info))
    except OSError:
        # a home that takes no files costs a second of hashing at each run, nothing else
        return


def check_usable(path: Path, info: ImageInfo) -> None:
    """Raise `InputError` unless the code in the image and this harness write the same records."""
    if info.record_schema != SCHEMA:
        found = f"writes records of schema {info.record_schema}" if info.record_schema else "is not one of scalemark's"
        raise InputError(f"{path}: the image {found}; this scalemark knows schema {SCHEMA}: build it from here")


def report_path(image: Path) -> Path:
    """Where the report of an image's build lies: beside it."""
    return image.with_suffix(".json")


def read_report(image: Path) -> BuildReport | None:
    """The report of the image's build, or None where there is none to read."""
    try:
        return msgspec.json.decode(report_path(image).read_bytes(), type=BuildReport)
    except (OSError, msgspec.DecodeError):
        return None


def read_labels(path: Path) -> dict[str, str]:
    """All labels of an image, Apptainer's own among them; raises `InputError` when it cannot be read."""
    command = [find_apptainer(), "inspect", "--json", "--labels", str(path.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    try:
        return msgspec.convert(msgspec.json.decode(done.stdout)["data"]["attributes"]["labels"] or {}, dict[str, str])
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        reason = done.stderr.strip().removeprefix("FATAL:").strip() or "it has no labels"
        raise InputError(f"{path}: Apptainer cannot read this image: {reason}") from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_file(path: Path) -> os.stat_result:
    """The file's status; raises `InputError` for what is missing, of another format or cut short."""
    try:
        stat = path.stat()
        with path.open("rb") as stream:
            header = stream.read(_SIF_HEADER_BYTES)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; an image is a .sif file, made by `scalemark build NAME`"
        ) from error
    if len(header) < _SIF_HEADER_BYTES or header[_SIF_MAGIC_OFFSET:].find(_SIF_MAGIC) != 0:
        raise InputError(f"{path}: not an Apptainer image (no SIF header); build it again with `scalemark build NAME`")
    whole_bytes = sum(struct.unpack_from(_SIF_DATA, header, _SIF_DATA_OFFSET))
    if stat.st_size < whole_bytes:
        raise InputError(f"{path}: {stat.st_size} bytes of an image of {whole_bytes}: cut short; get it again")
    return stat


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scalemark" / "images"


def _memory(path: Path, stat: os.stat_result) -> Path:
    """Where what was found of an image is kept, as long as its size and time of change stay the same."""
    key = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()
    return _cache_folder() / f"{hashlib.sha256(key).hexdigest()}.json"


def _recall(memory: Path) -> ImageInfo | None:
    try:
        return msgspec.json.decode(memory.read_bytes(), type=ImageInfo)
    except (OSError, msgspec.DecodeError):
        return None
