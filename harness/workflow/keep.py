"""Keeping results: packed in one file, or as a named baseline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from harness.analyse.side import read_side
from harness.case import Sweep
from harness.present import render
from harness.store import baselines, pack
from harness.store.manifest import read_manifest
from harness.store.read import sweep_names
from harness.workflow.codes import BAD_ANSWER, DONE, say
from kernels.api import InputError


def pack_results(results: Path, names: tuple[str, ...], target: Path) -> int:
    """Pack sweeps into one Parquet file; 1 when damaged files had to be left out."""
    if target.suffix != pack.SUFFIX:
        raise InputError(f"{target}: right would be a name that ends in {pack.SUFFIX}, by which packed files are known")
    manifests = {name: _manifest(results, name) for name in names or sweep_names(results)}
    records, samples, damages = pack.write_pack(results, manifests, target)
    for damage in damages:
        say(str(damage))
    click.echo(f"{target}: {records:,} records, {samples:,} samples, {target.stat().st_size:,} bytes")
    return BAD_ANSWER if damages else DONE


def save_baseline(results: Path, name: str, sweeps: tuple[str, ...]) -> int:
    """Keep the newest runs of sweeps under a name; 1 when damaged files had to be left out."""
    baseline, damages = baselines.save(results, name, sweeps or sweep_names(results))
    for damage in damages:
        say(str(damage))
    click.echo(f"baseline {baseline.name}: {baseline.records:,} records of {baseline.cases:,} cases")
    return BAD_ANSWER if damages else DONE


def list_baselines(results: Path, format_: str) -> int:
    """Print what is kept under which name."""
    click.echo(render.rows([_row(item) for item in baselines.saved(results)], format_))
    return DONE


def show_baseline(results: Path, name: str, format_: str) -> int:
    """Print the cases of a baseline."""
    side = read_side(f"@{name}", results)
    rows = [
        {
            "case_id": case_id,
            "kernel_version": max(outcome.kernel_version for outcome in outcomes),
            "stack": ", ".join(sorted({outcome.stack for outcome in outcomes})),
            "launches": sum(outcome.status == "ok" for outcome in outcomes),
            "samples": sum(outcome.samples for outcome in outcomes),
            "ended": max(outcome.ended for outcome in outcomes),
        }
        for case_id, outcomes in sorted(side.outcomes.items())
    ]
    click.echo(render.rows(rows, format_))
    return DONE


def remove_baselines(results: Path, names: Iterable[str]) -> int:
    """Delete baselines."""
    for name in names:
        baselines.remove(results, name)
        click.echo(f"baseline {name} removed")
    return DONE


def _manifest(results: Path, name: str) -> Sweep:
    """A sweep's manifest; a sweep that has lost it is packed all the same, without cases that are asked for."""
    try:
        return read_manifest(results, name)
    except InputError as error:
        say(str(error))
        return Sweep(name=name, mode="none", repeats=1, budget_s=0.0, cases=[])


def _row(baseline: baselines.Baseline) -> dict[str, object]:
    values = msgspec.structs.asdict(baseline)
    return {name: ", ".join(value) if isinstance(value, list) else value for name, value in values.items()}
