"""tf.data in a Python environment of its own, which TensorFlow's packages leave no room for in this one.

The other process keeps its batches, as a training step there would; only the order of an epoch and word of its end go
between the processes, through shared memory and a pipe. Batches come here for verification alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kernels.api import InputError
from kernels.data.gather import Rows
from kernels.data.manifest import COLUMNS
from kernels.data.share import Options, Reader, Share

PYTHON_VARIABLE = "SCALEMARK_TENSORFLOW_PYTHON"
_SHARED_MEMORY = Path("/dev/shm")
_SERVER = Path(__file__).with_name("tf_data_server.py")


def missing() -> str | None:
    """Why tf.data cannot run here."""
    python = os.environ.get(PYTHON_VARIABLE, "")
    if not python:
        return f"needs TensorFlow in an environment of its own: run nox -s tensorflow, then set {PYTHON_VARIABLE}"
    return None if shutil.which(python) else f"{PYTHON_VARIABLE} names {python}, which is no program"


class TfDataReader(Reader):
    """A `kernels.data.tf_data_server` of this rank's own."""

    def __init__(self, share: Share, options: Options) -> None:
        super().__init__(share, options)
        self.folder = Path(tempfile.mkdtemp(prefix="scalemark-", dir=_SHARED_MEMORY))
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self) -> None:
        """Start the other process, and wait until it is ready."""
        share, options = self.share, self.options
        np.save(self.folder / "normalisation.npy", np.stack([share.offset, share.scale]))
        self.rows = np.lib.format.open_memmap(self.folder / "rows.npy", "w+", np.int64, (share.records,))
        self.log = self.folder / "log"
        with self.log.open("w") as log:
            # without -P Python would look for packages beside the program
            command = [os.environ[PYTHON_VARIABLE], "-P", str(_SERVER)]
            self.server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._ask(
            {
                "folder": str(self.folder),
                "paths": [str(path.absolute()) for path in share.paths],
                "first_record": share.first_record.tolist(),
                "columns": COLUMNS,
                "batch": options.batch,
                "threads": options.threads,
                "prefetch_batches": options.prefetch_batches,
                "cache": options.cache,
                "cold": options.cold,
            }
        )

    def consume(self, order: Sequence[Rows]) -> int:
        """Let one epoch pass over there."""
        self.rows[:] = np.concatenate(order)
        return int(self._ask({"deliver": False}))

    def batches(self, order: Sequence[Rows]) -> Iterator[torch.Tensor]:
        """One epoch, brought here as a whole."""
        self.rows[:] = np.concatenate(order)
        self._ask({"deliver": True})
        yield from torch.from_numpy(np.load(self.folder / "epoch.npy")).split(self.options.batch)

    def close(self) -> None:
        """End the other process."""
        self.server.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ask(self, question: Any) -> Any:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        try:
            print(json.dumps(question), file=self.server.stdin, flush=True)
            return json.loads(self.server.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            code = self.server.wait()
            said = self.log.read_text().strip().rpartition("\n")[2]
            raise InputError(f"{PYTHON_VARIABLE}: its program ended with exit code {code}: {said}") from error
