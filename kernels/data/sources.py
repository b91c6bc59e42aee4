"""Where a batch's records are gathered from: raw shards in a memory map, or records that are normalised already."""

from __future__ import annotations

import mmap
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kernels.api import InputError
from kernels.data.gather import GATHER, Rows, addresses_of, as_stored, copy
from kernels.data.manifest import COLUMNS, RECORD_BYTES, Floats, Form
from kernels.data.share import Share

# what Linux maps at once where memory is asked for in such blocks: random records then miss the page tables less
_HUGE_PAGE_BYTES = 1 << 21


class Source(ABC):
    """Normalised records by their numbers, which ascend."""

    files: list[Path]

    @abstractmethod
    def gather(self, rows: Rows, out: Floats) -> Floats:
        """Put the records ``rows`` into ``out`` [rows, 1088] and return it."""

    def map(self) -> None:  # noqa: B027 - memory is always there
        """Map the files unless they are."""

    def unmap(self) -> None:  # noqa: B027
        """Let go of the files, so that their pages can leave the page cache."""

    def close(self) -> None:  # noqa: B027
        """Let go of the files and remove what was written."""


class Mapped(Source):
    """The shards of a share in this process's memory map."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.files = share.paths
        self.mapped: list[Any] = []

    def map(self) -> None:
        """Map the shards unless they are."""
        if not self.mapped:
            self.mapped = [_map_file(path, self.share.form) for path in self.share.paths]

    def unmap(self) -> None:
        """Let go of the shards."""
        self.mapped = []

    def close(self) -> None:
        """Let go of the shards."""
        self.unmap()


class Shards(Mapped):
    """Shards normalised as they are asked for, one by one, with ``normalise(records, rows, offset, scale, out)``."""

    def __init__(self, share: Share, normalise: Callable[..., None]) -> None:
        super().__init__(share)
        self.normalise = normalise

    def gather(self, rows: Rows, out: Floats) -> Floats:
        """Normalise the records ``rows`` into ``out``."""
        first_record, offset, scale = self.share.first_record, self.share.offset, self.share.scale
        cuts = np.searchsorted(rows, first_record)
        for shard, first, start, stop in zip(self.mapped, first_record[:-1], cuts[:-1], cuts[1:], strict=True):
            if start < stop:
                self.normalise(shard, rows[start:stop] - first, offset, scale, out[start:stop])
        return out


class CompiledShards(Mapped):
    """Shards normalised as they are asked for, a batch in one compiled call."""

    def map(self) -> None:
        """Map the shards unless they are, and find out where every record lies."""
        if not self.mapped:
            super().map()
            self.addresses = np.concatenate([addresses_of(shard) for shard in self.mapped])

    def gather(self, rows: Rows, out: Floats) -> Floats:
        """Normalise the records ``rows`` into ``out``."""
        GATHER[self.share.form](self.addresses, rows, self.share.offset, self.share.scale, out)
        return out


class Memory(Source):
    """Normalised records, float32 [records, 1088], to be filled in."""

    def __init__(self, records: int) -> None:
        self.files = []
        self.records = huge_array(records)

    def gather(self, rows: Rows, out: Floats) -> Floats:
        """Copy the records ``rows`` into ``out``."""
        copy(self.records, rows, out)
        return out


class Disk(CompiledShards):
    """A shard of normalised records in a nameless file on the file system of ``folder``; raises `InputError`.

    ``records``, float32 [records, 1088], is to be filled in before the file is mapped.
    """

    def __init__(self, records: int, folder: Path) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the source
            self._file.truncate(records * RECORD_BYTES)
        except OSError as error:
            raise InputError(f"cache in {folder}: cannot be written: {error.strerror}; set cache=memory") from error
        # a file without a name is gone with its process, however that ends
        path = Path(f"/proc/self/fd/{self._file.fileno()}")
        as_it_is = np.zeros(COLUMNS, np.float32), np.ones(COLUMNS, np.float32)
        super().__init__(Share([path], "binary", np.array([0, records]), *as_it_is))
        self.records: Any = np.memmap(self._file, np.float32, "r+", shape=(records, COLUMNS))

    def unmap(self) -> None:
        """Let go of the file, for filling in too."""
        super().unmap()
        self.records = None

    def close(self) -> None:
        """Remove the file."""
        super().close()
        self._file.close()


def huge_array(records: int) -> Floats:
    """Records of zeros [records, 1088] in huge pages, where Linux has some."""
    size = records * RECORD_BYTES
    memory = mmap.mmap(-1, size + _HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    start = -np.frombuffer(memory, np.uint8).ctypes.data % _HUGE_PAGE_BYTES
    return np.frombuffer(memory, np.float32, size // 4, start).reshape(records, COLUMNS)


def _map_file(path: Path, form: Form) -> Any:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # read ahead in file order, rather than fault pages in by the order of a shuffled epoch
    mapped.madvise(mmap.MADV_WILLNEED)
    return as_stored(mapped, form)
