"""Epochs of a tf.data pipeline on request; runs in an environment that has TensorFlow and nothing of this package.

Standard input brings a line of JSON with what to read and how, then one for each epoch: whether to keep its batches
in ``epoch.npy``. Each is answered by a line of JSON, for an epoch the number of records that came.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf


class Epochs:
    """Batches of the records that ``rows.npy`` numbers, ``prefetch_batches`` ahead on ``threads`` threads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.folder = Path(settings["folder"])
        self.offset, self.scale = np.load(self.folder / "normalisation.npy")
        self.first_record = np.array(settings["first_record"])
        self.rows = np.load(self.folder / "rows.npy", mmap_mode="r")
        self.shards: list[np.ndarray] = []
        self.order = tf.Variable(np.zeros(len(self.rows), np.int64))
        self.cache = self._read_all() if settings["cache"] == "memory" else None
        self.dataset = self._build()

    def run(self, deliver: bool) -> int:
        """One epoch; how many records came."""
        self.order.assign(self.rows)
        kept, count = [], 0
        for batch in self.dataset:
            count += int(batch.shape[0])
            if deliver:
                kept.append(batch.numpy())
        if deliver:
            np.save(self.folder / "epoch.npy", np.concatenate(kept))
        if self.settings["cold"]:
            self.shards = []
        return count

    def _build(self) -> tf.data.Dataset:
        batch, records, threads = self.settings["batch"], len(self.rows), self.settings["threads"]
        starts = tf.data.Dataset.range(0, records, batch)
        batches = starts.map(
            lambda start: self._fetch(self.order[start : tf.minimum(start + batch, records)]),
            num_parallel_calls=threads,
        )
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        return batches.prefetch(self.settings["prefetch_batches"]).with_options(options)

    def _fetch(self, rows: tf.Tensor) -> tf.Tensor:
        if self.cache is not None:
            return tf.gather(self.cache, rows)
        raw = tf.numpy_function(self._gather, [rows], tf.float32, stateful=False)
        return (tf.ensure_shape(raw, [None, self.settings["columns"]]) - self.offset) * self.scale

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        if not self.shards:
            self.shards = [
                np.memmap(path, "<f4", "r").reshape(-1, self.settings["columns"]) for path in self.settings["paths"]
            ]
        out = np.empty((len(rows), self.settings["columns"]), np.float32)
        cuts = np.searchsorted(rows, self.first_record)
        for shard, first, start, stop in zip(self.shards, self.first_record[:-1], cuts[:-1], cuts[1:], strict=True):
            np.take(shard, rows[start:stop] - first, axis=0, out=out[start:stop], mode="clip")
        return out

    def _read_all(self) -> tf.Tensor:
        shards = [np.fromfile(path, "<f4").reshape(-1, self.settings["columns"]) for path in self.settings["paths"]]
        return tf.constant((np.concatenate(shards) - self.offset) * self.scale)


def main() -> None:
    """Answer until the questions end."""
    epochs = None
    for line in sys.stdin:
        question = json.loads(line)
        if epochs is None:
            epochs = Epochs(question)
            print(json.dumps("ready"), flush=True)
        else:
            print(json.dumps(epochs.run(**question)), flush=True)


if __name__ == "__main__":
    main()
