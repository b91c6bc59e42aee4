"""What a shell completes: click's side of `harness.workflow.completion`, which is imported only when a shell asks."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem


def complete_kernels(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: kernels that begin so."""
    from harness.workflow import completion

    return completion.kernels(incomplete)


def complete_backends(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: backends of the kernels named so far."""
    from harness.workflow import completion

    return completion.backends(_kernels(context), incomplete)


def complete_exchange(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: backends of the allreduce."""
    from harness.workflow import completion

    return completion.backends(["allreduce"], incomplete)


def complete_settings(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: parameters of the kernels named so far."""
    from harness.workflow import completion

    return completion.settings(_kernels(context), incomplete)


def complete_sweeps(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: measured sweeps that begin so."""
    from harness.workflow import completion

    return completion.sweeps(_results(context), incomplete)


def complete_what(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: kernels, sweeps and files that can be swept."""
    from harness.workflow import completion

    return completion.what(incomplete)


def complete_cases(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: ids of the measured cases of the sweep named so far."""
    from harness.workflow import completion

    return completion.cases(_results(context), str(context.params.get("sweep") or ""), incomplete)


def complete_baselines(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: baselines that begin so."""
    from harness.workflow import completion

    return completion.baselines(_results(context), incomplete)


def complete_sides(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: what `scalemark compare` takes for a side."""
    from harness.workflow import completion

    return completion.sides(_results(context), incomplete)


def _results(context: click.Context) -> Path:
    return context.params.get("results") or Path("results")


def _kernels(context: click.Context) -> list[str]:
    """What a command line has named, kernels among it; behind an option that lacks its value click only has words."""
    named = [context.params.get("kernel") or "", *(context.params.get("what") or ()), *context.args]
    return list(filter(None, named))
