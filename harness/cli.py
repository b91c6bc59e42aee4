"""The commands: parse, call, print. No logic of their own."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.workflow.codes import BAD_ANSWER, BAD_QUESTION, DONE, INTERRUPTED, say
from kernels.api import InputError

FORMATS = ["text", "csv", "json", "markdown"]
SECONDS = click.FloatRange(min=0, min_open=True)


class Integers(click.ParamType):
    """Comma-separated positive integers: ``1,2,4``."""

    name = "1,2,4"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            self.fail(f"found {value!r}; right would be positive whole numbers with commas, such as 1,2,4", param, ctx)
        return numbers


class Words(click.ParamType):
    """Comma-separated words."""

    name = "A,B"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        return value if isinstance(value, list) else value.split(",")


class Names(click.ParamType):
    """Comma-separated names of topologies or algorithms, or ``all``."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        from harness.workflow.project import NAMES

        known = NAMES[self.name]
        found = known if value == "all" else value if isinstance(value, list) else value.split(",")
        for name in found:
            if name not in known:
                self.fail(f"found {name!r}; right would be all, or with commas: {', '.join(known)}", param, ctx)
        return found


class Percent(click.ParamType):
    """A share in per cent: ``5`` and ``5%`` are 0.05."""

    name = "PERCENT"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            share = float(str(value).rstrip(" %")) / 100
        except ValueError:
            share = -1.0
        if not 0 < share < 1:
            self.fail(f"found {value!r}; right would be per cent, such as 5 or 2.5%", param, ctx)
        return share


def parse_settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` options as a dictionary; a value with commas is a list, for sweeps to cross."""
    settings: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"found {value!r}; right would be NAME=VALUE", context, parameter)
        settings[name] = text.split(",") if "," in text else text
    return settings


def complete_kernels(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: kernels that begin so."""
    from harness.workflow import completion

    return completion.kernels(incomplete)


def complete_sweeps(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: measured sweeps that begin so."""
    from harness.workflow import completion

    return completion.sweeps(context.params.get("results") or Path("results"), incomplete)


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options at once."""

    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=True),
    default=Path("results"),
    show_default=True,
    help="Folder of records and tables.",
)
format_option = click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print."
)
case_options = options(
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=parse_settings,
        metavar="NAME=VALUE",
        help="A parameter of the kernel; VALUE may be a list with commas in a sweep.",
    ),
    click.option(
        "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where kernels compute."
    ),
    click.option(
        "--limit-s",
        type=SECONDS,
        default=300.0,
        show_default=True,
        help="Time limit of a case, preparation included, in seconds.",
    ),
)


threshold_option = click.option(
    "--threshold", type=Percent(), default="5%", show_default=True, help="A change that matters, in per cent."
)
manner_options = options(
    click.option(
        "--stack",
        "stacks",
        multiple=True,
        metavar="IMAGE",
        help="An image's path, `auto` for each kernel's own image, or `bare`; may be given several times.",
    ),
    click.option("--site", metavar="NAME", help="Measure through the batch system of this site (docs/sites.md)."),
)


def synchronisation_option(**settings: Any) -> Callable[[Any], Any]:
    """``--synchronisation``, with a default of its own in each command."""
    return click.option(
        "--synchronisation",
        type=click.Choice(["barrier", "window"]),
        help="How ranks start a step together: after a barrier, or in windows on synchronised clocks.",
        **settings,
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="scalemark", prog_name="scalemark")
def cli() -> None:
    """How does this scale, is that number true, and did it get worse?

    Kernels (allreduce, input pipeline, training step, quantum circuits) are measured over ranks, backends and
    parameters; every sample is kept, and the samples become scaling tables.

    \b
    scalemark list                                           what can be measured here
    scalemark run qcnn_layer --set batch=64                  one case
    scalemark sweep allreduce --ranks-per-node 1,2           one kernel over ranks
    scalemark sweep local_strong local_weak                  the sweeps of benchmarks/
    scalemark table                                          the scaling tables once more
    scalemark compare @main results                          did it get worse? (see `scalemark baseline`)
    scalemark history qcnn_layer                             when did it change?
    scalemark report                                         all of it as a page to look at
    scalemark doctor                                         what is here and what will bite
    eval "$(_SCALEMARK_COMPLETE=bash_source scalemark)"      completion in this shell; or zsh_source, fish_source

    Exit codes: 0 done and clean; 1 the answer is bad (a failed or missing case, a failed check); 2 the question is bad
    (usage, a malformed file); 3 nothing is bad, but a comparison stayed inconclusive; 130 interrupted.
    """


@cli.command("list")
@click.argument("kernel", required=False, shell_complete=complete_kernels)
@format_option
def list_(kernel: str | None, format_: str) -> None:
    """What can be measured here: kernels, backends and why some cannot run; with KERNEL, its parameters too."""
    from harness.present import listing

    click.echo(listing.render_kernel(kernel, format_) if kernel else listing.render_all(format_))


@cli.command()
@click.argument("kernel", shell_complete=complete_kernels)
@click.option("--backend", help="Which implementation; the kernel's first when not given.")
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


@cli.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--backend", "backends", type=Words(), metavar="A,B", help="Backends; all that can run when not given.")
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
    scalemark sweep local_strong --against origin/main --repeats 5 --threshold 2%
    scalemark sweep allreduce --against old/allreduce.sif --stack new/allreduce.sif
    """
    from harness.workflow import measure

    manner = measure.make_manner(results, limit_s, stacks, site, detach, against, threshold)
    return measure.sweep(what, choice, manner, format_, dry_run)


@cli.command()
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


@cli.command()
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@results_option
@format_option
def status(sweeps: tuple[str, ...], results: Path, format_: str) -> int:
    """How far sweeps are: what is measured, failed and missing, and the jobs that wait or run."""
    from harness.workflow import status as status_

    return status_.status(sweeps, results, format_)


@cli.command()
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


@cli.command()
@click.argument("kernel", shell_complete=complete_kernels)
@click.option("--sweep", "sweeps", multiple=True, metavar="NAME", help="Measured sweeps to go by; all when not given.")
@click.option("--backend", help="Backend of the training step; the first measured when not given.")
@click.option(
    "--exchange", default="mpi4py", show_default=True, help="Backend whose measured allreduces tell the links."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=parse_settings,
    metavar="NAME=VALUE",
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

    Links are fitted to measured allreduces, or given; predictions at the measured points show how good they are.

    \b
    scalemark project allreduce --set message_bytes=16777216 --topology all
    scalemark project mtl_step --mode strong --nodes 1,8,64,512 --alpha-s 2e-6 --beta-s-per-byte 8e-11
    """
    from harness.workflow import project as projecting

    return projecting.project(kernel, results, format_, **request)


@cli.command()
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


metric_option = click.option(
    "--metric", default="time", show_default=True, help="What to compare: time, or a figure of merit by its name."
)
sweep_option = click.option("--sweep", "sweeps", multiple=True, metavar="NAME", help="Only this sweep.")


@cli.command()
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW", required=False)
@threshold_option
@metric_option
@sweep_option
@click.option(
    "--allow-different",
    "allowed",
    multiple=True,
    type=click.Choice(["machine", "kernel-version"]),
    help="Compare in spite of different machines or kernel versions.",
)
@click.option("--self-test", is_flag=True, help="Split BASE in two, many times, and count false alarms.")
@results_option
@format_option
def compare(base: str, new: str | None, self_test: bool, results: Path, **request: Any) -> int:
    """Is NEW faster, slower or the same as BASE? A verdict for each case.

    A side is a results folder, a packed file, @NAME of a baseline, or results of pytest-benchmark, Google Benchmark,
    the OSU micro-benchmarks, nccl-tests or ReFrame: a file, or a folder of files that are launches of the same.

    Exit codes: 0 nothing is worse; 1 something is slower beyond the threshold, failed or missing; 2 the sides cannot be
    compared; 3 nothing is worse, but something stayed inconclusive.

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


@cli.command()
@click.argument("kernel", shell_complete=complete_kernels)
@click.argument("sides", nargs=-1)
@click.option("--by", type=click.Choice(["commit", "date"]), default="commit", show_default=True, help="The points.")
@threshold_option
@metric_option
@results_option
@format_option
def history(kernel: str, sides: tuple[str, ...], results: Path, **request: Any) -> int:
    """Where a kernel got faster or slower: its cases over commits or days, cut into segments at change points.

    Looks at the results and all their baselines, or at the SIDES named (see `compare`). Exit code 1 says that the
    newest segment of a case is worse than the one before.

    \b
    scalemark history qcnn_layer
    scalemark history allreduce january.parquet february.parquet --by date
    """
    from harness.workflow import compare as compare_

    return compare_.history(kernel, sides, results, **request)


@cli.command()
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
@click.option("--against", metavar="BASE", help="Tell what changed against these results: see `scalemark compare`.")
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


@cli.command()
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


@cli.group()
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
@click.argument("name")
@results_option
@format_option
def show_baseline(name: str, results: Path, format_: str) -> int:
    """The cases of a baseline."""
    from harness.workflow import keep

    return keep.show_baseline(results, name, format_)


@baseline.command("remove")
@click.argument("names", nargs=-1, required=True)
@results_option
def remove_baselines(names: tuple[str, ...], results: Path) -> int:
    """Delete baselines."""
    from harness.workflow import keep

    return keep.remove_baselines(results, names)


@cli.command()
@click.argument("sweeps", nargs=-1, shell_complete=complete_sweeps)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "json", "markdown", "parquet", "pytest-benchmark", "extra-p", "openmetrics", "junit"]),
    required=True,
    help="Whose format.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write; standard output when not given.")
@results_option
def export(sweeps: tuple[str, ...], format_: str, output: Path | None, results: Path) -> int:
    """All sweeps, or SWEEPS, in the format of another tool.

    \b
    scalemark export --format junit --output junit.xml
    scalemark export allreduce --format extra-p --output allreduce.txt
    """
    from harness.workflow import export as export_

    return export_.export(results, sweeps, format_, output)


def main() -> None:
    """Entry point: runs a command and turns its outcome into an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted; what was measured is kept, and the same command goes on from there")
        code = INTERRUPTED
    except InputError as error:
        say(str(error))
        code = BAD_QUESTION
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            sys.exit(DONE)
        place = f"{error.filename}: " if error.filename else ""
        say(f"{place}{error.strerror or error}; what was measured is kept, and the same command goes on from there")
        code = BAD_ANSWER
    sys.exit(code or DONE)


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
