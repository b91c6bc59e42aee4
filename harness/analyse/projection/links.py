"""The links' alpha and beta, fitted to measured allreduces or given by a user, with replicates that carry the doubt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from harness.analyse.laws import fitting
from harness.analyse.projection.algorithms import Links, count_terms
from harness.analyse.projection.topologies import Topology
from harness.analyse.scaling import TableRow
from kernels.api import InputError

# what MPI libraries choose from, and so what a measured allreduce may be; the first where several explain it as well
_LIBRARY = ("recursive_doubling", "rabenseifner", "ring")
_FEWEST_POINTS = 3
# of 100 ns an InfiniBand switch takes from port to port; a hop's share of a measured alpha cannot be told apart
HOP_S = 1e-7


class GivenLinks(Struct, frozen=True, kw_only=True):
    """What a user says instead of measuring, in seconds, seconds a byte and bytes; None where it is to be fitted."""

    alpha_s: float | None = None
    beta_s_per_byte: float | None = None
    node_alpha_s: float | None = None
    node_beta_s_per_byte: float | None = None
    gamma_s_per_byte: float = 0.0
    hop_s: float = HOP_S


class MeasuredLinks(Struct, frozen=True, kw_only=True):
    """Links, their bootstrap replicates [count, 6], the algorithm they were told from, and where each came from.

    ``residual`` is the root mean square of the relative distance between the fit and the ``points`` measured rows.
    """

    links: Links
    replicates: np.ndarray
    algorithm: str
    residual: float | None
    points: int
    sources: list[str]


def measure_links(rows: Sequence[TableRow], given: GivenLinks, topology: Topology, exchange: str = "") -> MeasuredLinks:
    """Fit what is not given to the allreduces among ``rows``; raises `InputError` where they do not suffice.

    ``exchange`` is the backend that did them. A library's algorithm is told from the times, as the one that explains
    them best; ours is what the backend is called.

    The addition of received bytes grows with the message as its transfer does, so a sweep cannot tell gamma from beta:
    unless gamma is given, beta holds both.
    """
    points = usable_allreduces(rows)
    known = np.array([np.nan if value is None else value for value in msgspec.structs.astuple(given)])
    wanted = [index for index in range(4) if np.isnan(known[index])]
    if not points and {0, 1} & set(wanted) == set():
        return _complete(known, known[None, :], _LIBRARY[0], None, 0)
    if len(points) < _FEWEST_POINTS:
        raise InputError(
            f"alpha and beta: found {len(points)} measured allreduces on several ranks, right would be "
            f"{_FEWEST_POINTS}: scalemark sweep allreduce --ranks-per-node 2 --set message_bytes=8,65536,16777216; or "
            "give --alpha-s and --beta-s-per-byte"
        )
    own = exchange.replace("-", "_")
    algorithm = own if own in _LIBRARY else _best(points, known, wanted, topology)
    times_s = np.array([fitting.centre_s(row.launch_median_s) for row in points])
    found, residual = _fit(points, known, wanted, topology, algorithm, times_s)
    drawn, _ = _fit(
        points, known, wanted, topology, algorithm, fitting.replicate_s([row.launch_median_s for row in points])
    )
    return _complete(found, drawn, algorithm, float(np.sqrt((residual**2).mean())), len(points))


def usable_allreduces(rows: Iterable[TableRow]) -> list[TableRow]:
    """Measured allreduces over several ranks whose answers were right."""
    return [row for row in rows if row.kernel == "allreduce" and row.counts and row.ranks > 1 and row.launch_median_s]


def terms_of(row: TableRow, algorithm: str, topology: Topology) -> np.ndarray:
    """The terms [6] of a measured allreduce, as if an algorithm had done it."""
    return count_terms(algorithm, topology, row.nodes, row.ranks // row.nodes, float(row.parameters["message_bytes"]))


def _best(points: Sequence[TableRow], known: np.ndarray, wanted: list[int], topology: Topology) -> str:
    """The algorithm that explains the measured times best: with the parameters fitted to all other points, each."""
    times_s = np.array([fitting.centre_s(row.launch_median_s) for row in points])
    everywhere, weights = fitting.without_each(times_s)

    def error(algorithm: str) -> float:
        _, residual = _fit(points, known, wanted, topology, algorithm, everywhere, weights)
        # rounded, so that algorithms which cost the same on two ranks are the same
        return round(float(np.abs(np.diagonal(residual)).mean()), 9)

    return min(_LIBRARY, key=error)


def _fit(
    points: Sequence[TableRow],
    known: np.ndarray,
    wanted: list[int],
    topology: Topology,
    algorithm: str,
    times_s: np.ndarray,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """All six parameters [..., 6] for times [..., points], and the relative residuals [..., points].

    What no point speaks of stays unknown: NaN.
    """
    terms = np.array([terms_of(row, algorithm, topology) for row in points])
    told = [index for index in wanted if terms[:, index].any()]
    rest_s = terms @ np.nan_to_num(known)
    found = np.broadcast_to(known, (*times_s.shape[:-1], 6)).copy()
    # no point can be left less than a tenth of its time to explain
    left_s = np.maximum(times_s - rest_s, times_s / 10)
    if told:
        found[..., told] = fitting.fit_nonnegative(terms[:, told], left_s, weights)
    predicted_s = (terms @ np.nan_to_num(found)[..., None])[..., 0]
    return found, predicted_s / times_s - 1


def _complete(
    found: np.ndarray, drawn: np.ndarray, algorithm: str, residual: float | None, points: int
) -> MeasuredLinks:
    """Links between nodes as those within one where only those are known, and the other way round; each told."""
    sources = []
    found, drawn = found.copy(), drawn.copy()
    for between, within, name in ((0, 2, "alpha"), (1, 3, "beta")):
        for unknown, other, where, as_ in (
            (between, within, "between", "within"),
            (within, between, "within", "between"),
        ):
            if math.isnan(found[unknown]) and not math.isnan(found[other]):
                found[unknown], drawn[..., unknown] = found[other], drawn[..., other]
                sources.append(f"{name} {where} nodes: neither measured nor given, taken as {as_} nodes")
    missing = [name for name, value in zip(Links.__struct_fields__, found, strict=True) if math.isnan(value)]
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing if not name.startswith("node"))
        raise InputError(f"{', '.join(missing)}: neither measured nor given; right would be {options}")
    return MeasuredLinks(
        links=msgspec.convert(dict(zip(Links.__struct_fields__, found.tolist(), strict=True)), Links),
        replicates=drawn,
        algorithm=algorithm,
        residual=residual,
        points=points,
        sources=sources,
    )
