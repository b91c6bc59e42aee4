from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.api import InputError
from kernels.quantum.studies.images import CIFAR_FILES, Images, check_data, load_images, split


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """Two records in each of the six files: label n and pixels of the value n, n counting."""
    for place, name in enumerate(CIFAR_FILES):
        records = [np.full(1 + 3072, value, np.uint8) for value in (2 * place % 10, (2 * place + 1) % 10)]
        records[0][1:1025] = 255
        np.concatenate(records).tofile(tmp_path / name)
    return tmp_path


def test_cifars_binary_version_is_read(cifar: Path):
    images = load_images(str(cifar))
    assert images.pixels.shape == (12, 3, 32, 32)
    assert images.labels.tolist() == [*range(10), 0, 1]
    # a record's colours follow one another
    assert [np.unique(colour).tolist() for colour in images.pixels[4]] == [[255], [4], [4]]


def test_the_digits_are_scikit_learns():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    images = load_images("digits")
    assert images.pixels.shape == (1797, 1, 8, 8)
    assert [images.pixels.min(), images.pixels.max()] == [0, 1]


def test_labels_of_some_classes_count_from_zero():
    images = Images(np.arange(6.0), np.array([3, 5, 1, 5, 3, 9])).of_classes((3, 5))
    assert images.pixels.tolist() == [0, 1, 3, 4]
    assert images.labels.tolist() == [0, 1, 1, 0]


def test_no_image_is_both_trained_on_and_tested():
    everything = Images(np.arange(40, dtype=np.uint8), np.arange(40))
    train, test = split(everything, 20, 0.3, seed=1)
    assert [len(train.labels), len(test.labels)] == [14, 6]
    assert not set(train.labels) & set(test.labels)
    np.testing.assert_allclose(train.pixels, train.labels / 255, rtol=1e-6)


def test_a_missing_or_damaged_copy_is_told_in_a_sentence(cifar: Path):
    (cifar / CIFAR_FILES[2]).write_bytes(b"0" * 100)
    with pytest.raises(InputError, match=r"data_batch_3.bin: found 100 bytes; right would be a multiple of 3073"):
        check_data(str(cifar))
    with pytest.raises(InputError, match=r"parameter data: no file .*data_batch_1.bin; right would be 'digits' or"):
        check_data("/nowhere")
