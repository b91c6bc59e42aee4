"""Projections: predictions beside what was measured, then past it. They never stand in a table of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from harness.analyse.projection.links import MeasuredLinks
from harness.analyse.projection.project import PAYING_GAIN, Projection
from harness.analyse.projection.topologies import TOPOLOGIES
from harness.present import render, units

_FASTEST = " *"


def render_projections(
    links: MeasuredLinks, measured: Sequence[Projection], projections: Sequence[Projection], format_: str, counted: str
) -> str:
    """For programs the fields of `Projection`, measured points first; for people also where the links come from.

    ``counted`` is what `describe_exchange` says.
    """
    rows = [*measured, *projections]
    if format_ == "json":
        return render.structs(rows)
    if format_ != "text":
        return render.rows([msgspec.structs.asdict(row) for row in rows], format_)
    parts = [f"{_describe_links(links)}\n{counted}" if links.points else _describe_links(links)]
    if measured:
        cells = [_measured_cells(row) for row in measured]
        parts.append(render.rows(cells, format_, title="at measured points"))
    for topology, group in groupby(projections, key=attrgetter("topology")):
        rows = list(group)
        size = units.size(round(rows[0].message_bytes))
        parts.append(_render_topology(rows, f"{topology}: {TOPOLOGIES[topology].summary}; messages of {size}"))
    parts.append(
        "Computed from a model, not measured. Intervals hold what launches scatter, not what the model leaves out; "
        f"* is the fastest algorithm. Adding nodes pays as long as twice as many do at least {PAYING_GAIN} times as "
        "much in a second, all together."
    )
    return "\n\n".join(parts)


def describe_exchange(exchange: str, others: Sequence[str]) -> str:
    """Which backend's allreduces count, and which are measured and do not."""
    left_out = f", not those of {', '.join(others)}" if others else ""
    return f"only measured allreduces of {exchange} count (--exchange){left_out}"


def _describe_links(links: MeasuredLinks) -> str:
    value = links.links
    lines = [
        f"between nodes: alpha {units.duration(value.alpha_s)}, beta {_per_byte(value.beta_s_per_byte)}, "
        f"{units.duration(value.hop_s)} a hop; within a node: alpha {units.duration(value.node_alpha_s)}, "
        f"beta {_per_byte(value.node_beta_s_per_byte)}; gamma {_per_byte(value.gamma_s_per_byte)}",
        *links.sources,
    ]
    if links.residual is not None:
        lines.append(
            f"fitted to {links.points} measured allreduces as {links.algorithm.replace('_', ' ')}: they lie "
            f"{units.percent(links.residual)} off (root mean square)"
        )
    return "\n".join(lines)


def _per_byte(value_s: float) -> str:
    return f"{units.significant(value_s * 1e9)} ns/B"


def _measured_cells(row: Projection) -> dict[str, str]:
    return {
        "backend": row.backend,
        "nodes": str(row.nodes),
        "ranks": str(row.ranks),
        "message": units.size(round(row.message_bytes)),
        "measured": "" if row.measured_s is None else units.duration(row.measured_s),
        "predicted": _predicted(row),
        "off by": f"{100 * (row.predicted_s / row.measured_s - 1):+.0f} %" if row.measured_s else "",
    }


def _render_topology(rows: Sequence[Projection], title: str) -> str:
    """Nodes downwards, algorithms across; then how far adding nodes pays."""
    by_nodes = groupby(rows, key=attrgetter("nodes"))
    table = render.rows([_node_cells(list(group)) for _, group in by_nodes], "text", title=title)
    last = {row.algorithm: row for row in rows}
    pays = ", ".join(f"{name.replace('_', ' ')} {_pays(row)}" for name, row in last.items())
    return f"{table}\nadding nodes pays up to: {pays}"


def _node_cells(rows: Sequence[Projection]) -> dict[str, str]:
    cells = {"nodes": f"{rows[0].nodes:,}"}
    if rows[0].ranks > rows[0].nodes:
        cells["ranks"] = f"{rows[0].ranks:,}"
    # where nothing is exchanged no algorithm is faster than another
    differ = len({row.predicted_s for row in rows}) > 1
    for row in rows:
        cells[row.algorithm] = _predicted(row) + (_FASTEST if row.fastest and differ else "")
        if row.simulated_s is not None:
            cells[row.algorithm] += f", SimGrid {units.duration(row.simulated_s)}"
    return cells


def _predicted(row: Projection) -> str:
    """Time and half its interval."""
    told = units.duration(row.predicted_s)
    if row.low_s is None or row.high_s is None:
        return told
    return f"{told} ± {units.percent((row.high_s - row.low_s) / 2 / row.predicted_s)}"


def _pays(row: Projection) -> str:
    if row.pays_to_nodes is None:
        return "all of them"
    low, high = (f"{count:,}" if count else "all" for count in (row.pays_to_nodes_low, row.pays_to_nodes_high))
    return f"{row.pays_to_nodes:,}" if low == high else f"{row.pays_to_nodes:,} [{low} … {high}]"
