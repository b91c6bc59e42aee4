"""Data sets of strain records by their parameters, made on first use; and the command that makes and verifies them.

    python -m kernels.data.records generate --records 20580 --shards 49 FOLDER
    mpiexec -n 8 python -m kernels.data.records generate --records 4941258 --shards 343 FOLDER

The command also takes up a generation that was killed, and makes damaged shards anew.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kernels.api import InputError, tell
from kernels.data.dataset import open_dataset
from kernels.data.files import data_folder
from kernels.data.generation import Progress, generate
from kernels.data.shards import GENERATOR_VERSION

_TELL_S = 10.0


def default_folder(records: int, shards: int, seed: int) -> Path:
    """Where `ensure_dataset` keeps it, in `data_folder`."""
    return data_folder() / f"strain-v{GENERATOR_VERSION}-{records}-records-{shards}-shards-seed-{seed}"


def ensure_dataset(records: int, shards: int, seed: int) -> Path:
    """The folder of the data set of these parameters, generated on first use, which is told.

    What is there already is opened, never overwritten: a damaged folder raises `InputError`.
    """
    folder = default_folder(records, shards, seed)
    if not folder.exists():
        tell(f"data set: simulating {records} records once, into {folder}")
        generate(folder, records, shards, seed, _tell_now_and_then())
    try:
        open_dataset(folder)
    except InputError as error:
        remedy = f"python -m kernels.data.records generate --records {records} --shards {shards} --seed {seed}"
        raise InputError(f"{error}; {remedy} makes what is damaged anew") from error
    return folder


def _tell_now_and_then() -> Progress:
    told_s = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s > _TELL_S:
            tell(f"data set: {done} of {total} records")
            told_s = time.monotonic()

    return progress


def _show(unit: str) -> Progress:
    """One moving line on a terminal, ten lines in a log."""
    terminal = sys.stderr.isatty()
    tenths = 0

    def progress(done: int, total: int) -> None:
        nonlocal tenths
        if terminal or 10 * done // total > tenths:
            end = "\r" if terminal and done < total else "\n"
            print(f"{done} of {total} {unit}", end=end, file=sys.stderr, flush=True)
            tenths = 10 * done // total

    return progress


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kernels.data.records", description="Strain records on disk.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser(
        "generate",
        help="simulate a data set, or what is missing or damaged of it; prints its folder; also under mpiexec",
    )
    make.add_argument("folder", type=Path, nargs="?", help="default: a name of its parameters, in $SCALEMARK_DATA")
    make.add_argument("--records", type=int, default=16384, help="records in all (%(default)s)")
    make.add_argument("--shards", type=int, default=16, help="files they are spread over (%(default)s)")
    make.add_argument("--seed", type=int, default=0, help="seed of the material cards (%(default)s)")
    check = commands.add_parser("verify", help="compare every file with the checksum in the manifest")
    check.add_argument("folder", type=Path)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate or verify a data set.

    The exit code is 1 for a data set that was verified and is damaged, 2 for one that is not there or cannot be made,
    130 after an interruption.
    """
    options = _parse(arguments)
    try:
        return _verify(options.folder) if options.command == "verify" else _generate(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is whole is kept, and the same command goes on from there", file=sys.stderr)
        return 130


def _verify(folder: Path) -> int:
    if not folder.is_dir():
        raise InputError(f"data set {folder}: no such folder")
    try:
        open_dataset(folder).verify_checksums(_show("files"))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _generate(options: argparse.Namespace) -> int:
    from mpi4py import MPI

    folder = options.folder or default_folder(options.records, options.shards, options.seed)
    comm = MPI.COMM_WORLD
    damaged = generate(folder, options.records, options.shards, options.seed, _show("records"), comm)
    if comm.rank == 0:
        for line in damaged:
            print(f"{line}: made anew", file=sys.stderr)
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
