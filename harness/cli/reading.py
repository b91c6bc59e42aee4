"""Commands that read what is measured: tables, verdicts, predictions, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.completing import (
    complete_backends,
    complete_exchange,
    complete_kernels,
    complete_settings,
    complete_sides,
    complete_sweeps,
)
from harness.cli.options import (
    Integers,
    Names,
    format_option,
    metric_option,
    options,
    parse_settings,
    results_option,
    sweep_option,
    threshold_option,
)


@click.command()
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@results_option
@click.option(
    "--statistics", "view", flag_value="statistics", help="What the samples say instead: variation, dependence, tests."
)
@click.option("--laws", "view", flag_value="laws", help="The scaling law of every series instead, with intervals.")
@format_option
def table(sweeps: tuple[str, ...], view: str | None, results: Path, format_: str) -> int:
    """Scaling tables of the records in the results folder: all sweeps, or those named.

    \b
    scalemark table local_strong
    scalemark table --format csv > tables.csv
    scalemark table --statistics local_strong    may these samples be trusted?
    scalemark table --laws --format json         Amdahl, Gustafson, USL, PMNF; alpha and beta of collectives
    """
    from harness.workflow import analysis, tables

    show = {"statistics": analysis.statistics, "laws": analysis.laws}.get(view or "", tables.table)
    return show(sweeps, results, format_)


@click.command()
@click.argument("kernel", shell_complete=complete_kernels)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_sweeps,
    help="Measured sweeps to go by; all when not given.",
)
@click.option(
    "--backend",
    shell_complete=complete_backends,
    help="Backend of the training step; the first measured when not given.",
)
@click.option(
    "--exchange",
    default="mpi4py",
    show_default=True,
    help="The one backend whose measured allreduces tell the links; those of others do not count.",
    shell_complete=complete_exchange,
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=parse_settings,
    metavar="NAME=VALUE",
    shell_complete=complete_settings,
    help="The allreduce's message_bytes, or which measured training step.",
)
@click.option(
    "--mode", type=click.Choice(["strong", "weak"]), default="weak", show_default=True, help="Of the training step."
)
@click.option(
    "--topology", "topologies", type=Names("topology"), default="fat_tree", show_default=True, help="Networks, or all."
)
@click.option(
    "--algorithm", "algorithms", type=Names("algorithm"), default="all", show_default=True, help="Of the allreduce."
)
@click.option("--nodes", type=Integers(), help="Node counts; to 100,000 when not given.")
@click.option("--ranks-per-node", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--simulate", is_flag=True, help="Put SimGrid's answer beside each prediction of up to 256 nodes.")
@options(
    *[
        click.option(name, type=click.FloatRange(min=0), help=f"{what}; fitted to measured allreduces when not given.")
        for name, what in (
            ("--alpha-s", "Latency between nodes, in seconds"),
            ("--beta-s-per-byte", "Seconds a byte takes between nodes"),
            ("--node-alpha-s", "Latency within a node, in seconds"),
            ("--node-beta-s-per-byte", "Seconds a byte takes within a node"),
        )
    ]
)
@click.option(
    "--gamma-s-per-byte",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Seconds to add a byte; in beta when measured.",
)
@click.option(
    "--hop-s", type=click.FloatRange(min=0), default=1e-7, show_default=True, help="Seconds each further link takes."
)
@results_option
@format_option
def project(kernel: str, results: Path, format_: str, **request: Any) -> int:
    """Predict KERNEL (allreduce or mtl_step) on more nodes than were measured, up to 100,000.

    Links are fitted to the measured allreduces of one backend (--exchange), or given; predictions at the measured
    points show how good they are.

    \b
    scalemark project allreduce --set message_bytes=16777216 --topology all
    scalemark project mtl_step --mode strong --nodes 1,8,64,512 --alpha-s 2e-6 --beta-s-per-byte 8e-11
    """
    from harness.workflow import project as projecting

    return projecting.project(kernel, results, format_, **request)


@click.command()
@click.argument("base", metavar="BASE", shell_complete=complete_sides)
@click.argument("new", metavar="NEW", required=False, shell_complete=complete_sides)
@threshold_option
@metric_option
@sweep_option
@click.option(
    "--allow-different",
    "allowed",
    multiple=True,
    type=click.Choice(["machine", "kernel-version", "synchronisation"]),
    help="Compare in spite of different machines, kernel versions or synchronisation.",
)
@click.option("--self-test", is_flag=True, help="Split BASE in two, many times, and count false alarms.")
@results_option
@format_option
def compare(base: str, new: str | None, self_test: bool, results: Path, **request: Any) -> int:
    """Is NEW faster, slower or the same as BASE? A verdict for each case.

    A side is a results folder, a packed file, @NAME of a baseline, or results of pytest-benchmark, Google Benchmark,
    the OSU micro-benchmarks, nccl-tests or ReFrame: a file, or a folder of files that are launches of the same.

    Exit codes: 0 nothing is worse; 1 something is slower beyond the threshold, failed or missing, or a file is damaged;
    2 the sides cannot be compared; 3 nothing is worse, but something stayed inconclusive.

    \b
    scalemark compare @main results
    scalemark compare old.parquet new.parquet --threshold 2% --format markdown
    scalemark compare @main results --metric accuracy --sweep local_strong
    scalemark compare --self-test results
    """
    from harness.workflow import compare as compare_

    if self_test == (new is not None):
        raise click.UsageError("compare takes BASE and NEW, or --self-test and BASE alone")
    if new is None:
        del request["allowed"]
        return compare_.self_test(base, results, **request)
    return compare_.compare(base, new, results, **request)


@click.command()
@click.argument("kernel", shell_complete=complete_kernels)
@click.argument("sides", nargs=-1, shell_complete=complete_sides)
@click.option("--by", type=click.Choice(["commit", "date"]), default="commit", show_default=True, help="The points.")
@threshold_option
@metric_option
@results_option
@format_option
def history(kernel: str, sides: tuple[str, ...], results: Path, **request: Any) -> int:
    """Where a kernel got faster or slower: its cases over commits or days, cut into segments at change points.

    Looks at the results and all their baselines, or at the SIDES named (see `compare`). Exit code 1 says that the
    newest segment of a case is worse than the one before, or that a file is damaged.

    \b
    scalemark history qcnn_layer
    scalemark history allreduce january.parquet february.parquet --by date
    """
    from harness.workflow import compare as compare_

    return compare_.history(kernel, sides, results, **request)


@click.command()
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["html", "svg", "pdf", "png"]),
    default="html",
    show_default=True,
    help="A page for people, or its plots as files for a paper.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The page's file, or the plots' folder; report.html or report when not given.",
)
@click.option(
    "--against",
    metavar="BASE",
    shell_complete=complete_sides,
    help="Tell what changed against these results: see `scalemark compare`.",
)
@threshold_option
@results_option
def report(results: Path, sweeps: tuple[str, ...], **request: Any) -> int:
    """Write all sweeps, or SWEEPS, as one page that works offline: what scales, what does not, what changed.

    \b
    scalemark report
    scalemark report local_strong --against @main --output strong.html
    scalemark report --format pdf --output figures
    """
    from harness.workflow import report as report_

    return report_.report(results, sweeps, **request)


COMMANDS = [table, project, compare, history, report]
