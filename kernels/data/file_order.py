"""Reading a share in the order of its files, for when the page cache has nothing of them.

Gathering a shuffled epoch's first batches touches all files; the disk is quicker when it is read from front to back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from kernels.data.gather import SCATTER, Rows, as_stored
from kernels.data.manifest import COLUMNS, FORMS, RECORD_BYTES, Floats
from kernels.data.share import Share

# whole pages and whole records of both forms; after larger reads the disk waits longer for the next one
_BLOCK_BYTES = 64 * RECORD_BYTES
# what a thread takes at once, few enough for all threads to have some of one large file
_STRETCH_RECORDS = 1024


def readings(share: Share, places: Rows, out: Floats) -> Iterator[Callable[[], None]]:
    """Calls that together put each record of the share, normalised, to its place in ``out`` [records, 1088]."""
    for file, (first, end) in enumerate(pairwise(share.first_record.tolist())):
        for start in range(first, end, _STRETCH_RECORDS):
            records = range(start, min(start + _STRETCH_RECORDS, end))
            yield partial(_read, share, file, records, places, out)


def _read(share: Share, file: int, records: range, places: Rows, out: Floats) -> None:
    record_bytes = COLUMNS * FORMS[share.form].value_bytes
    content = np.empty((_BLOCK_BYTES // record_bytes, record_bytes), np.uint8)
    with share.paths[file].open("rb") as stream:
        stream.seek((records.start - int(share.first_record[file])) * record_bytes)
        for start in records[:: len(content)]:
            block = content[: records.stop - start]
            stream.readinto(block.data)
            here = places[start : start + len(block)]
            SCATTER[share.form](as_stored(block, share.form), here, share.offset, share.scale, out)
