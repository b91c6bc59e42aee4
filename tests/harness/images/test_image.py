import hashlib
import struct

import msgspec
import pytest

from harness.images import image
from harness.images.build import finished
from harness.images.image import BuildReport, ImageInfo
from harness.store.record import SCHEMA
from kernels.api import InputError

DATA_BYTES = 1000


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def labels_read(monkeypatch):
    """How often an image's labels were read; reading them takes Apptainer, which has tests of its own."""
    reads = []
    monkeypatch.setattr(image, "read_labels", lambda path: reads.append(path) or {"scalemark.kernel": "nothing"})
    return reads


def write_image(path, content=b"x" * DATA_BYTES):
    """A file with the header of the SIF format."""
    header = bytearray(128)
    header[32:42] = b"SIF_MAGIC\0"
    struct.pack_into("<qq", header, 112, 128, DATA_BYTES)
    path.write_bytes(bytes(header) + content)
    return path


def report_of(path, **changes):
    report = BuildReport(
        image=path.stem, sha256=image.file_digest(path), size_bytes=path.stat().st_size, built="", build_s=1.0,
        inputs="", labels={}, packages={},
    )  # fmt: skip
    image.report_path(path).write_bytes(msgspec.json.encode(msgspec.structs.replace(report, **changes)))


def test_an_image_is_its_content(tmp_path, labels_read):
    path = write_image(tmp_path / "nothing.sif")
    report_of(path)
    info = image.inspect(path)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert info.kernel == "nothing"
    assert info.size_bytes == 128 + DATA_BYTES


def test_an_unchanged_image_is_read_once(tmp_path, labels_read, monkeypatch):
    path = write_image(tmp_path / "nothing.sif")
    first = image.inspect(path)
    monkeypatch.setattr(image, "file_digest", lambda path: pytest.fail("hashed again"))
    assert image.inspect(path) == first
    assert len(labels_read) == 1


def test_a_changed_image_is_read_again(tmp_path, labels_read):
    path = write_image(tmp_path / "nothing.sif")
    first = image.inspect(path)
    write_image(path, b"y" * DATA_BYTES)
    assert image.inspect(path).sha256 != first.sha256


def test_without_a_writable_home_nothing_is_remembered(tmp_path, labels_read, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = write_image(tmp_path / "nothing.sif")
    assert image.inspect(path) == image.inspect(path)
    assert len(labels_read) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text("junk"), "not an Apptainer image"),
        (lambda path: path.write_bytes(path.read_bytes()[:600]), "600 bytes of an image of 1128: cut short"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "damaged or replaced"),
    ],
)
def test_damage_gets_one_line_that_names_the_file(tmp_path, labels_read, damage, message):
    path = write_image(tmp_path / "nothing.sif")
    report_of(path)
    image.inspect(path)
    damage(path)
    with pytest.raises(InputError, match=message) as raised:
        image.inspect(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("schema", "message"),
    [(str(SCHEMA), None), (str(SCHEMA + 1), f"schema {SCHEMA + 1}"), ("unknown", "not one of scalemark's")],
)
def test_an_image_whose_records_are_unknown_is_refused(tmp_path, schema, message):
    info = ImageInfo(sha256="0", size_bytes=1, labels={"scalemark.record_schema": schema})
    if message is None:
        image.check_usable(tmp_path, info)
    else:
        with pytest.raises(InputError, match=message):
            image.check_usable(tmp_path, info)


def test_where_images_are(monkeypatch):
    monkeypatch.delenv("SCALEMARK_IMAGES", raising=False)
    assert str(image.image_folder()) == "images"
    monkeypatch.setenv("SCALEMARK_IMAGES", "/somewhere")
    assert str(image.image_folder()) == "/somewhere"


def test_without_apptainer_one_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="module load apptainer"):
        image.find_apptainer()


def test_a_damaged_image_is_built_again(tmp_path, labels_read):
    path = write_image(tmp_path / "nothing.sif")
    report_of(path, inputs="of today")
    assert finished(path, "of today") == image.read_report(path)
    assert finished(path, "of tomorrow") is None
    write_image(path, b"?" * DATA_BYTES)
    assert finished(path, "of today") is None
    path.unlink()
    assert finished(path, "of today") is None
