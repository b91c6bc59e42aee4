"""Commands that keep results and hand them on."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.completing import complete_baselines, complete_cases, complete_sweeps
from harness.cli.options import format_option, results_option
from harness.present.exports import FORMATS


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@results_option
def pack(target: Path, sweeps: tuple[str, ...], results: Path) -> int:
    """Pack all records, or those of SWEEPS, into one Parquet file. Whatever reads results reads it: --results FILE.

    \b
    scalemark pack results.parquet
    scalemark table --results results.parquet
    """
    from harness.workflow import keep

    return keep.pack_results(results, sweeps, target)


@click.command()
@click.argument("sweep", shell_complete=complete_sweeps)
@click.argument("cases", nargs=-1, metavar="[CASE]...", shell_complete=complete_cases)
@click.option("--dry-run", is_flag=True, help="Print what would go; touch nothing.")
@results_option
def forget(sweep: str, cases: tuple[str, ...], dry_run: bool, results: Path) -> int:
    """Take cases out of SWEEP, with their records: those that never had a result, or those whose ids match a CASE.

    Backends that cannot run here, a try that failed, cases that a sweep no longer means: until they are forgotten,
    tables, status and verdicts tell of them. The ids of what was taken out are printed. Baselines stay as they are.

    \b
    scalemark forget run                         what `scalemark run` tried and never got a result of
    scalemark forget local_strong 'allreduce.nccl.*' --dry-run
    scalemark forget run '*'                     the whole sweep
    """
    from harness.workflow import keep

    return keep.forget(results, sweep, cases, dry_run)


@click.group()
def baseline() -> None:
    """Named results that later ones are compared with: `scalemark compare @NAME results`."""


@baseline.command("save")
@click.argument("name")
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@results_option
def save_baseline(name: str, sweeps: tuple[str, ...], results: Path) -> int:
    """Keep the newest runs of all sweeps, or of SWEEPS, as NAME.

    \b
    scalemark baseline save main local_strong
    """
    from harness.workflow import keep

    return keep.save_baseline(results, name, sweeps)


@baseline.command("list")
@results_option
@format_option
def list_baselines(results: Path, format_: str) -> int:
    """What is kept, oldest first."""
    from harness.workflow import keep

    return keep.list_baselines(results, format_)


@baseline.command("show")
@click.argument("name", shell_complete=complete_baselines)
@results_option
@format_option
def show_baseline(name: str, results: Path, format_: str) -> int:
    """The cases of a baseline."""
    from harness.workflow import keep

    return keep.show_baseline(results, name, format_)


@baseline.command("remove")
@click.argument("names", nargs=-1, required=True, shell_complete=complete_baselines)
@results_option
def remove_baselines(names: tuple[str, ...], results: Path) -> int:
    """Delete baselines."""
    from harness.workflow import keep

    return keep.remove_baselines(results, names)


@click.command()
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="Whose format.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write; standard output when not given.")
@results_option
def export(sweeps: tuple[str, ...], format_: str, output: Path | None, results: Path) -> int:
    """All sweeps, or SWEEPS, in the format of another tool (docs/exports.md says what each holds).

    pytest-benchmark knows no launches: their samples are pooled there, and intervals between launches are lost.

    \b
    scalemark export --format junit --output junit.xml
    scalemark export allreduce --format extra-p --output allreduce.txt
    """
    from harness.workflow import export as export_

    return export_.export(results, sweeps, format_, output)


COMMANDS = [pack, baseline, export, forget]
