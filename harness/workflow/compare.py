"""Comparing: two results, one with itself, or a kernel with its past."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

import click

from harness.analyse import compare as analysis
from harness.analyse import history as history_analysis
from harness.analyse import self_test as self_test_analysis
from harness.analyse.circumstances import Allowance
from harness.analyse.history import By
from harness.analyse.side import Side, of_stacks, read_side
from harness.analyse.verdicts import BAD
from harness.present import comparison as comparison_view
from harness.present import history as history_view
from harness.store import baselines
from harness.workflow.codes import BAD_ANSWER, DONE, UNDECIDED, name_damages, say


def compare(
    base: str,
    new: str,
    results: Path,
    sweeps: Iterable[str],
    format_: str,
    threshold: float,
    metric: str,
    allowed: Iterable[Allowance],
) -> int:
    """Print the verdict of every case; 1 when any is bad, 3 when none is but some are open."""
    before, after = (read_side(name, results, sweeps, metric) for name in (base, new))
    # named first, for sides that are not comparable may be so because of them
    is_damaged = name_damages([*before.damages, *after.damages])
    return _conclude(analysis.compare(before, after, threshold, metric, tuple(allowed)), format_, is_damaged)


def compare_stacks(
    results: Path,
    sweeps: Iterable[str],
    names: tuple[str, str],
    keys: tuple[Container[str], Container[str]],
    format_: str,
    threshold: float,
) -> int:
    """Print the verdicts on the times of two sets of stacks, BASE first, that the same sweeps were measured in."""
    whole = read_side(str(results), results, sweeps)
    before, after = (of_stacks(whole, name, found) for name, found in zip(names, keys, strict=True))
    is_damaged = name_damages(whole.damages)
    return _conclude(analysis.compare(before, after, threshold), format_, is_damaged)


def _conclude(table: analysis.CompareTable, format_: str, is_damaged: bool) -> int:
    """Print the table; its exit code."""
    if format_ in ("csv", "json"):
        for difference in table.differences:
            say(f"differs: {comparison_view.tell_difference(difference)}")
    click.echo(comparison_view.render(table, format_))
    verdicts = {row.verdict for row in table.rows}
    if is_damaged or verdicts & set(BAD):
        return BAD_ANSWER
    return UNDECIDED if "inconclusive" in verdicts else DONE


def self_test(name: str, results: Path, sweeps: Iterable[str], format_: str, threshold: float, metric: str) -> int:
    """Print how often identical code would have been called slower on this machine."""
    side = read_side(name, results, sweeps, metric)
    is_damaged = name_damages(side.damages)
    click.echo(comparison_view.render_self_test(self_test_analysis.self_test(side, threshold), format_))
    return BAD_ANSWER if is_damaged else DONE


def history(
    kernel: str, names: Iterable[str], results: Path, format_: str, threshold: float, metric: str, by: By
) -> int:
    """Print a kernel's past, from the results, their baselines and whatever else is named; 1 when it got worse."""
    sides = [read_side(name, results, (), metric) for name in names]
    damages: list[object] = []
    if not sides:
        sides = own_sides(results, metric, damages)
    is_damaged = name_damages([*damages, *(damage for side in sides for damage in side.damages)])
    histories = history_analysis.make_history(sides, kernel, threshold, metric, by)
    click.echo(history_view.render(histories, metric, format_))
    return BAD_ANSWER if is_damaged or any(item.is_worse for item in histories) else DONE


def own_sides(results: Path, metric: str, damages: list[object]) -> list[Side]:
    """The results and all their baselines; descriptions of baselines that are none come to ``damages``."""
    saved, damaged = baselines.saved(results)
    damages += damaged
    return [read_side(name, results, (), metric) for name in (*(f"@{item.name}" for item in saved), str(results))]
