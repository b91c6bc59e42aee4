"""Which software stacks a command line means: the bare environment, an image, or each kernel's own image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.case import Case
from harness.images import image
from harness.store.record import Stack
from kernels.api import InputError

BARE, AUTO = "bare", "auto"


def names_stack(word: str) -> bool:
    """Whether a word means a stack, whether or not it is there, and not a commit."""
    return word in (BARE, AUTO) or Path(word).suffix == ".sif" or Path(word).is_file()


def find_stacks(words: Sequence[str]) -> Callable[[Case], list[Stack]]:
    """For each case the stacks to measure it in.

    A word is ``bare``, ``auto`` (the kernel's own image of the image folder) or an image's path.

    The function raises `InputError` for an image that is missing, damaged, of another kernel, or that writes records
    of a schema this harness does not know.
    """

    def stacks_of(case: Case) -> list[Stack]:
        return [_find(word, case.kernel) for word in words or (BARE,)]

    return stacks_of


@functools.lru_cache
def _find(word: str, kernel: str) -> Stack:
    if word == BARE:
        return Stack()
    path = image.image_folder() / f"{kernel}.sif" if word == AUTO else Path(word)
    if word == AUTO and not path.exists():
        raise InputError(f"{path}: no image of kernel {kernel}; make it with `scalemark build {kernel}`")
    return open_image(path, kernel)


def open_image(path: Path, kernel: str = "") -> Stack:
    """An image as a stack to run in; raises `InputError` when it is missing, damaged, of another schema or kernel."""
    info = image.inspect(path)
    image.check_usable(path, info)
    if kernel and info.kernel not in ("", kernel):
        raise InputError(
            f"{path}: the image of kernel {info.kernel}, not of {kernel}; --stack auto takes each one's own"
        )
    return Stack(name=path.name, sha256=info.sha256, path=str(path.resolve()))
