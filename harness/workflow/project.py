"""Past the measured scale: links fitted to measured allreduces, put into the costs of collectives on networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from harness.analyse import tabulate
from harness.analyse.projection import project as projecting
from harness.analyse.projection import simulation
from harness.analyse.projection.algorithms import ALGORITHMS
from harness.analyse.projection.links import GivenLinks, MeasuredLinks, measure_links, usable_allreduces
from harness.analyse.projection.topologies import TOPOLOGIES
from harness.analyse.scaling import ScalingTable, TableRow
from harness.present import projection as projection_view
from harness.store.results import open_results
from harness.workflow.codes import BAD_ANSWER, DONE, name_damages, say
from kernels import registry
from kernels.api import InputError, parse_parameters

PATTERNS = ("allreduce", "mtl_step")
# what an option may name
NAMES = {"topology": list(TOPOLOGIES), "algorithm": list(ALGORITHMS)}
# node counts when none are asked for
_NODES = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, projecting.MOST_NODES)


def project(
    kernel: str,
    results: Path,
    format_: str,
    *,
    sweeps: tuple[str, ...],
    backend: str | None,
    exchange: str,
    settings: dict[str, Any],
    mode: projecting.ScalingMode,
    topologies: Sequence[str],
    algorithms: Sequence[str],
    nodes: Sequence[int] | None,
    ranks_per_node: int,
    simulate: bool,
    **given: Any,
) -> int:
    """Print predictions at measured points and at node counts nobody here has."""
    if kernel not in PATTERNS:
        raise InputError(
            f"project: found {kernel!r}, right would be a kernel whose exchange is known: {', '.join(PATTERNS)}"
        )
    tables = _read_tables(results, sweeps)
    is_damaged = name_damages(damage for table in tables for damage in table.damages)
    rows = [row for table in tables for row in table.rows]
    allreduces, links, counted = _measure_links(rows, exchange, GivenLinks(**given))
    if kernel == "allreduce":
        parameters: Any = parse_parameters(registry.load(kernel), settings)
        pattern = projecting.exchange_of(parameters.message_bytes, exchange)
        measured = projecting.at_measured_points(allreduces, None, links)
    else:
        steps = _one_series(rows, kernel, backend, mode, settings)
        pattern = projecting.training_step(steps, kernel, mode)
        measured = projecting.at_measured_points(steps, pattern, links)
    if ranks_per_node == 1 and len(algorithms) > 1:
        # with one rank a node it is Rabenseifner's
        algorithms = [name for name in algorithms if name != "hierarchical"]
    projections = projecting.project(pattern, links, topologies, algorithms, nodes or _NODES, ranks_per_node)
    if simulate:
        projections = [_simulate(item, links, pattern) for item in projections]
    if format_ != "text" and links.points:
        say(counted)
    click.echo(projection_view.render_projections(links, measured, projections, format_, counted))
    return BAD_ANSWER if is_damaged else DONE


def _read_tables(results: Path, sweeps: tuple[str, ...]) -> list[ScalingTable]:
    """The tables of sweeps, all of them when none is named; none where nothing was measured: links may be given."""
    try:
        names = sweeps or open_results(results).sweep_names()
    except InputError:
        names = ()
    return [tabulate.make_table(results, name) for name in names]


def _measure_links(
    rows: Sequence[TableRow], exchange: str, given: GivenLinks
) -> tuple[list[TableRow], MeasuredLinks, str]:
    """The allreduces of the backend ``exchange``, the links that they tell, and in words whose do and do not count."""
    usable = usable_allreduces(rows)
    allreduces = [row for row in usable if row.backend == exchange]
    others = sorted({row.backend for row in usable} - {exchange})
    counted = projection_view.describe_exchange(exchange, others)
    try:
        return allreduces, measure_links(allreduces, given, TOPOLOGIES["fully_connected"], exchange), counted
    except InputError as error:
        raise InputError(f"{error}; {counted}") from error


def _one_series(
    rows: Sequence[TableRow], kernel: str, backend: str | None, mode: str, settings: dict[str, Any]
) -> list[TableRow]:
    """Right results of the kernel's first series in that mode, of that backend, with those parameters."""
    found = [
        row
        for row in rows
        if row.kernel == kernel
        and row.mode == mode
        and row.counts
        and row.backend == (backend or row.backend)
        and all(str(row.parameters.get(name)) == str(value) for name, value in settings.items())
    ]
    return [row for row in found if row.line == found[0].line]


def _simulate(item: projecting.Projection, links: MeasuredLinks, pattern: projecting.Pattern) -> projecting.Projection:
    """The same point by SimGrid, one rank a node, with the latency of a neighbour on every hop."""
    if item.ranks != item.nodes:
        return item
    exchange_s = simulation.simulate_s(
        simulation.Request(
            algorithm=item.algorithm,
            topology=item.topology,
            nodes=item.nodes,
            message_bytes=item.message_bytes,
            alpha_s=links.links.alpha_s,
            beta_s_per_byte=links.links.beta_s_per_byte,
        )
    )
    if exchange_s is None:
        return item
    return msgspec.structs.replace(item, simulated_s=exchange_s + pattern.compute_s * pattern.share(item.ranks))
