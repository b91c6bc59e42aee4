"""Exporting: the results of sweeps in a format of another tool."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.analyse import tabulate
from harness.present import exports
from harness.present.exports.measured import Measured
from harness.store.read import WholeRun, newest, sound
from harness.store.results import open_results
from harness.store.write import write_atomic
from harness.workflow.codes import BAD_ANSWER, DONE, name_damages
from kernels.api import InputError


def export(results: Path, names: tuple[str, ...], format_: str, output: Path | None) -> int:
    """Write the sweeps to ``output``, or else to standard output; 1 when damaged files had to be left out."""
    source = open_results(results)
    names = names or tuple(source.sweep_names())
    damages: list[object] = []
    runs = [run for name in names for run in newest(sound(source.scan(name, WholeRun), damages))]
    measured = Measured(tables=[tabulate.make_table(results, name) for name in names], runs=runs)
    content = exports.render(measured, format_)
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        try:
            write_atomic(output, content)
        except OSError as error:
            raise InputError(f"{output}: {error.strerror or error}") from error
    damages += [damage for table in measured.tables for damage in table.damages]
    return BAD_ANSWER if name_damages(damages) else DONE
