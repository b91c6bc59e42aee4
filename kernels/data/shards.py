"""One shard of a generated data set: simulated, or kept where it is there and whole.

Beside a finished shard lies its ticket (JSON: what the data set is to be, and the shard's size and SHA-256) until the
manifest of the whole data set takes its place. Both are renamed into place, so a killed process leaves neither in half.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kernels.api import InputError, divide
from kernels.data.dataset import Statistics, read_shard
from kernels.data.files import write_file
from kernels.data.manifest import COLUMNS, VALUE_TYPE, FileEntry, Manifest
from kernels.material.tensile import FEATURES, draw_cards, simulate

# rises whenever the same parameters would give other records
GENERATOR_VERSION = 2


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the cards of a data set depend on."""

    records: int
    shards: int
    seed: int
    generator_version: int = GENERATOR_VERSION

    def __str__(self) -> str:
        made = f"seed {self.seed}, generator version {self.generator_version}"
        return f"{self.records} records in {self.shards} shards ({made})"

    @classmethod
    def of(cls, manifest: Manifest) -> Plan:
        """That of a data set that is there."""
        return cls(manifest.records, len(manifest.shards), manifest.seed, manifest.generator_version)

    def name(self, shard: int) -> str:
        """The file of a shard."""
        return f"shard-{shard:05d}.bin"

    def draw(self, shard: int) -> NDArray[np.float32]:
        """The cards of a shard, float32 [cards, 8]: every shard has a stream of random numbers of its own."""
        stream = np.random.SeedSequence(self.seed, spawn_key=(shard,))
        return draw_cards(len(divide(self.records, self.shards, shard)), np.random.default_rng(stream))


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Says of a shard that it is finished."""

    plan: Plan
    entry: FileEntry


class Shard(NamedTuple):
    """A finished shard; ``moments`` are mean and variance of its features, ``damage`` what was wrong with it before."""

    entry: FileEntry
    moments: Statistics
    damage: str


def ensure_shard(folder: Path, plan: Plan, shard: int, entry: FileEntry | None = None) -> Shard:
    """The shard in ``folder``, made unless it is there as its entry in the manifest, or else its ticket, says.

    Raises `InputError` for a ticket of another data set, OSError for a place that cannot be written.
    """
    path = folder / plan.name(shard)
    entry = entry or _read_ticket(path.with_suffix(".json"), plan)
    damage = _damage(path, entry) if entry else ""
    if entry and not damage:
        return Shard(entry, _moments(read_shard(path)), "")
    cards = plan.draw(shard)
    values = np.empty((len(cards), COLUMNS), VALUE_TYPE)
    values[:, :FEATURES] = simulate(cards)
    values[:, FEATURES:] = cards
    entry = _write_whole(path, values.tobytes(), len(cards))
    _write_whole(path.with_suffix(".json"), msgspec.json.encode(Ticket(plan, entry)))
    return Shard(entry, _moments(values), damage)


def finished_records(folder: Path, plan: Plan) -> int:
    """How many records the finished shards hold, going by their tickets."""
    tickets = (folder / plan.name(shard) for shard in range(plan.shards))
    there = [shard for shard, path in enumerate(tickets) if path.with_suffix(".json").exists()]
    return sum(len(divide(plan.records, plan.shards, shard)) for shard in there)


def _read_ticket(path: Path, plan: Plan) -> FileEntry | None:
    try:
        ticket = msgspec.json.decode(path.read_bytes(), type=Ticket)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if ticket.plan != plan:
        raise InputError(
            f"{path}: is of {ticket.plan}, asked for were {plan}; name another folder, or delete {path.parent}"
        )
    return ticket.entry


def _damage(path: Path, entry: FileEntry) -> str:
    if not path.is_file():
        return f"{path}: missing"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if found == entry.sha256 else f"{path}: SHA-256 {found[:12]}..., right would be {entry.sha256[:12]}..."


def _moments(values: NDArray[np.float32]) -> Statistics:
    features = values[:, :FEATURES]
    return Statistics(features.mean(axis=0, dtype=np.float64), features.var(axis=0, dtype=np.float64))


def _write_whole(path: Path, content: bytes, records: int = 0) -> FileEntry:
    """Write beside and rename."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent.parent) as place:
        entry = write_file(Path(place, path.name), content, records)
        os.replace(Path(place, path.name), path)
    return entry
