"""Images and their labels: scikit-learn's digits, or a local copy of CIFAR-10."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.api import InputError

DIGITS = "digits"

# Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009): 10,000 records of a label and an image
CIFAR_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
_CIFAR_SHAPE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32


class Images(NamedTuple):
    """``pixels`` [images, channels, height, width] and ``labels`` 0 to 9 [images]."""

    pixels: NDArray
    labels: NDArray[np.int64]

    def take(self, places: NDArray) -> Images:
        """The images at these places, or where these truths hold."""
        return Images(self.pixels[places], self.labels[places])

    def of_classes(self, classes: tuple[int, ...]) -> Images:
        """The images of some classes, their labels counted in the order of ``classes``."""
        kept = self.take(np.isin(self.labels, classes))
        return Images(kept.pixels, np.searchsorted(classes, kept.labels))


def check_data(data: str) -> None:
    """Raises `InputError` unless ``data`` is "digits" or a folder with CIFAR-10's six binary files."""
    if data == DIGITS:
        return
    for name in CIFAR_FILES:
        path = Path(data, name)
        if not path.is_file():
            raise InputError(
                f"kernel quantum_images: parameter data: no file {path}; right would be {DIGITS!r} or a folder with "
                f"the binary version of CIFAR-10, {CIFAR_FILES[0]} to {CIFAR_FILES[-1]}"
            )
        size = path.stat().st_size
        if size == 0 or size % _RECORD_BYTES:
            raise InputError(f"{path}: found {size} bytes; right would be a multiple of {_RECORD_BYTES}")


def load_images(data: str) -> Images:
    """Digits, float32 of shape (1797, 1, 8, 8) in [0, 1], or CIFAR-10, uint8 of shape (60000, 3, 32, 32).

    Raises `InputError` as `check_data` does.
    """
    check_data(data)
    if data != DIGITS:
        return _load_cifar(Path(data))
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Images((digits.images[:, None] / 16).astype(np.float32), digits.target.astype(np.int64))


def _load_cifar(folder: Path) -> Images:
    records = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, _RECORD_BYTES) for name in CIFAR_FILES])
    return Images(records[:, 1:].reshape(-1, *_CIFAR_SHAPE), records[:, 0].astype(np.int64))


def split(images: Images, count: int, test_share: float, seed: int) -> tuple[Images, Images]:
    """At most ``count`` images drawn by the seed, as training and test images with pixels float32 in [0, 1]."""
    drawn = np.random.default_rng(seed).permutation(len(images.labels))[:count]
    tested = round(test_share * len(drawn))
    return _as_floats(images.take(drawn[tested:])), _as_floats(images.take(drawn[:tested]))


def _as_floats(images: Images) -> Images:
    scale = np.float32(255 if images.pixels.dtype == np.uint8 else 1)
    return Images(images.pixels.astype(np.float32) / scale, images.labels)
