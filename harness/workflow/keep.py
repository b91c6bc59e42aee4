"""Keeping results: packed in one file, or as a named baseline."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec

from harness.analyse.side import read_side
from harness.case import Sweep
from harness.launch import local
from harness.present import render
from harness.present.baseline import render_baseline
from harness.present.units import counted
from harness.store import baselines, pack
from harness.store import forget as forgetting
from harness.store.manifest import read_manifest, stand_in
from harness.store.read import sweep_folder, sweep_names
from harness.workflow.codes import BAD_ANSWER, DONE, name_damages, say
from kernels.api import InputError


def pack_results(results: Path, names: tuple[str, ...], target: Path) -> int:
    """Pack sweeps into one Parquet file; 1 when damaged files had to be left out."""
    if target.suffix != pack.SUFFIX:
        raise InputError(f"{target}: right would be a name that ends in {pack.SUFFIX}, by which packed files are known")
    complaints: list[object] = []
    manifests = {name: _manifest(results, name, complaints) for name in names or sweep_names(results)}
    records, samples, damages = pack.write_pack(results, manifests, target)
    click.echo(f"{target}: {counted(records, 'record')}, {counted(samples, 'sample')}, {target.stat().st_size:,} bytes")
    return BAD_ANSWER if name_damages([*complaints, *damages]) else DONE


def save_baseline(results: Path, name: str, sweeps: tuple[str, ...]) -> int:
    """Keep the newest runs of sweeps under a name; 1 when damaged files had to be left out."""
    baseline, damages = baselines.save(results, name, sweeps or sweep_names(results))
    click.echo(f"baseline {baseline.name}: {counted(baseline.records, 'record')} of {counted(baseline.cases, 'case')}")
    return BAD_ANSWER if name_damages(damages) else DONE


def list_baselines(results: Path, format_: str) -> int:
    """Print what is kept under which name."""
    found, damages = baselines.saved(results)
    click.echo(render.rows([_row(item) for item in found], format_))
    return BAD_ANSWER if name_damages(damages) else DONE


def show_baseline(results: Path, name: str, format_: str) -> int:
    """Print the cases of a baseline."""
    side = read_side(f"@{name}", results)
    click.echo(render_baseline(side, format_))
    return BAD_ANSWER if name_damages(side.damages) else DONE


def remove_baselines(results: Path, names: Iterable[str]) -> int:
    """Delete baselines."""
    for name in names:
        baselines.remove(results, name)
        click.echo(f"baseline {name} removed")
    return DONE


def forget(results: Path, sweep: str, patterns: tuple[str, ...], dry_run: bool) -> int:
    """Take cases out of a sweep, or only look which, and say so."""
    sweep_folder(results, sweep)
    with nullcontext() if dry_run else local.claim(results, sweep):
        forgotten = forgetting.forget(results, sweep, patterns, dry_run)
    for case_id in forgotten.cases:
        click.echo(case_id)
    verb = "would forget" if dry_run else "forgot"
    say(f"sweep {sweep}: {verb} {counted(len(forgotten.cases), 'case')} with {counted(forgotten.files, 'file')}")
    return DONE


def _manifest(results: Path, name: str, complaints: list[object]) -> Sweep:
    """A sweep's manifest; a sweep that has lost it is packed all the same, without cases that are asked for."""
    try:
        return read_manifest(results, name)
    except InputError as error:
        complaints.append(error)
        return stand_in(name)


def _row(baseline: baselines.Baseline) -> dict[str, object]:
    values = msgspec.structs.asdict(baseline)
    return {name: ", ".join(value) if isinstance(value, list) else value for name, value in values.items()}
