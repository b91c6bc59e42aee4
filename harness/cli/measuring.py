"""Commands that measure, and those that say what can be measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.completing import complete_backends, complete_kernels, complete_sweeps, complete_what
from harness.cli.options import (
    SECONDS,
    Integers,
    Words,
    case_options,
    format_option,
    manner_options,
    results_option,
    synchronisation_option,
    threshold_option,
)


@click.command("list")
@click.argument("kernel", required=False, shell_complete=complete_kernels)
@format_option
def list_(kernel: str | None, format_: str) -> None:
    """What can be measured here: kernels, backends and why some cannot run; with KERNEL, its parameters too."""
    from harness.present import listing

    click.echo(listing.render_kernel(kernel, format_) if kernel else listing.render_all(format_))


@click.command()
@click.argument("kernel", shell_complete=complete_kernels)
@click.option(
    "--backend", shell_complete=complete_backends, help="Which implementation; the kernel's first when not given."
)
@case_options
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, help="Nodes of the site's cluster.")
@click.option("--ranks-per-node", type=click.IntRange(min=1), default=1, show_default=True, help="Ranks a node.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads per rank.")
@click.option("--budget-s", type=SECONDS, default=1.0, show_default=True, help="Sampling time, in seconds.")
@synchronisation_option(default="barrier", show_default=True)
@manner_options
@results_option
@format_option
def run(
    kernel: str,
    backend: str | None,
    settings: dict[str, Any],
    device: Any,
    limit_s: float,
    stacks: tuple[str, ...],
    site: str | None,
    results: Path,
    format_: str,
    **scale: Any,
) -> int:
    """Measure one case, once more each time.

    \b
    scalemark run qcnn_layer --backend torch --set batch=64
    scalemark run allreduce --ranks-per-node 2 --set message_bytes=1048576
    scalemark run allreduce --ranks-per-node 2 --stack bare --stack auto
    """
    from harness.workflow import measure

    manner = measure.make_manner(results, limit_s, stacks, site)
    return measure.run(kernel, backend, settings, device, scale, manner, format_)


@click.command()
@click.argument("what", nargs=-1, required=True, shell_complete=complete_what)
@click.option(
    "--backend",
    "backends",
    type=Words(),
    metavar="A,B",
    shell_complete=complete_backends,
    help="Backends, of a file's cases too; all that can run when not given.",
)
@case_options
@click.option("--nodes", type=Integers(), help="Node counts.")
@click.option("--ranks-per-node", type=Integers(), help="Rank counts a node.")
@click.option("--threads", type=Integers(), help="Threads per rank.")
@click.option(
    "--mode",
    type=click.Choice(["strong", "weak", "none"]),
    help="Strong scaling keeps the problem, weak scaling keeps it per rank.",
)
@click.option("--repeats", type=click.IntRange(min=1), help="Launches that measure each case.")
@click.option("--budget-s", type=SECONDS, help="Sampling time of a case in a launch, in seconds.")
@synchronisation_option()
@click.option(
    "--against",
    metavar="STACK_OR_REF",
    help="Measure this base too, an image or a git commit, launch by launch in turn; print verdicts, not tables.",
)
@threshold_option
@click.option("--name", help="The sweep's name in the results; from the kernels' names when not given.")
@click.option("--dry-run", is_flag=True, help="Show cases, expected time and batch scripts; measure nothing.")
@manner_options
@click.option("--detach", is_flag=True, help="Submit the jobs and return; `scalemark status` follows them.")
@results_option
@format_option
def sweep(
    what: tuple[str, ...],
    limit_s: float,
    stacks: tuple[str, ...],
    site: str | None,
    detach: bool,
    against: str | None,
    threshold: float,
    results: Path,
    format_: str,
    dry_run: bool,
    **choice: Any,
) -> int:
    """Measure sweeps and print their scaling tables. WHAT is TOML files, names of sweeps in benchmarks/, or kernels.

    What is measured already is not measured again: an interrupted sweep goes on where it stopped.

    With --against, base and candidate take turns, so that what drifts cancels; the exit codes are those of `scalemark
    compare`.

    \b
    scalemark sweep local_strong
    scalemark sweep allreduce circuit_sim --ranks-per-node 1,2
    scalemark sweep qcnn_layer --backend torch,lightning --set batch=16,64 --mode weak --repeats 5
    scalemark sweep allreduce --nodes 1,2,4 --ranks-per-node 2 --site mycluster --stack auto
    scalemark sweep quantum --backend torch
    scalemark sweep local_strong --against origin/main --repeats 5 --threshold 2%
    scalemark sweep allreduce --against old/allreduce.sif --stack new/allreduce.sif
    """
    from harness.workflow import measure

    manner = measure.make_manner(results, limit_s, stacks, site, detach, against, threshold)
    return measure.sweep(what, choice, manner, format_, dry_run)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--from",
    "source",
    type=click.Choice(["mirror", "registry"]),
    default="mirror",
    show_default=True,
    help="Where the first base comes from: this machine's Debian mirror (needs root) or a registry of images.",
)
@click.option("--verbose", is_flag=True, help="Show every line of the builds.")
@format_option
def build(names: tuple[str, ...], source: Any, verbose: bool, format_: str) -> int:
    """Build Apptainer images: those named in containers/images.toml, or all kernels' images, after their bases.

    Each image passes its kernel's own check before it takes its place in images/ (or $SCALEMARK_IMAGES); what has not
    changed is not built again.

    \b
    scalemark build allreduce circuit_sim
    scalemark build --from registry gpu
    """
    from harness.workflow import build as build_

    return build_.build(names, source, verbose, format_)


@click.command()
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@results_option
@format_option
def status(sweeps: tuple[str, ...], results: Path, format_: str) -> int:
    """How far sweeps are: what is measured, failed and missing, and the jobs that wait or run."""
    from harness.workflow import status as status_

    return status_.status(sweeps, results, format_)


@click.command()
@click.option(
    "--stack",
    "stacks",
    multiple=True,
    metavar="IMAGE",
    help="Try this image too: its path, or `auto` for all that are built; may be given several times.",
)
@click.option("--site", metavar="NAME", help="Try this site too: its settings, and a job of two ranks.")
@results_option
@format_option
def doctor(stacks: tuple[str, ...], site: str | None, results: Path, format_: str) -> int:
    """What is here and what will bite: MPI, processor, memory, limits, storage, GPUs, images, kernels and Slurm.

    Two ranks are really started and counted, bare, in each image and as a job on the site. Exit code 1 when a sweep
    would fail.

    \b
    scalemark doctor
    scalemark doctor --stack images/allreduce.sif
    scalemark doctor --site mycluster --stack auto --format json
    """
    from harness.workflow import doctor as doctor_

    return doctor_.doctor(results, format_, stacks, site)


COMMANDS = [list_, run, sweep, build, status, doctor]
