"""What several commands share: kinds of values, options, and what a shell completes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.cli.completing import complete_settings, complete_sweeps

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
        if name in settings:
            raise click.BadParameter(
                f"found {name!r} twice; right would be {name}=A,B to take both", context, parameter
            )
        settings[name] = text.split(",") if "," in text else text
    return settings


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
        shell_complete=complete_settings,
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


metric_option = click.option(
    "--metric", default="time", show_default=True, help="What to compare: time, or a figure of merit by its name."
)
sweep_option = click.option(
    "--sweep", "sweeps", multiple=True, metavar="NAME", shell_complete=complete_sweeps, help="Only this sweep."
)
