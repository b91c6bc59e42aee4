"""Kernel ``tensile_fem``: strain records from material cards, by finite elements.

One step simulates the three tensile tests of every card: `kernels.material.tensile`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from kernels.api import Backend, Check, Figure, Kernel, Parameters, Work, Workload, divide
from kernels.declaring import check_shares, cpu_only, growing
from kernels.material import loop
from kernels.material.cards import draw_cards, law
from kernels.material.lanes import LANES
from kernels.material.tensile import FEATURES, STEPS, Tension, tensile_tests, to_records

# material cards, float32 [cards, 8], to records, float32 [cards, 1080]
Simulate = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# of the largest strain: float32 holds a record to 6e-8
_TOLERANCE = 1e-6
_YIELD_TOLERANCE = 1e-8

# additions, multiplications, divisions and roots of a lane, as the loops write them; a logarithm is 27 and a power of
# two 31. At a Gauss point: strain, internal force, stiffness, and what a return mapping does before it iterates
_POINT_FLOPS = 48 + 48 + 336 + 391
# in each iteration of a return mapping
_MAPPING_FLOPS = 610


class TensileFemParameters(Parameters, frozen=True):
    """How many random material cards."""

    cards: Annotated[int, Meta(ge=1, description="material cards, over all ranks")] = 64
    seed: Annotated[int, Meta(ge=0, description="seed of the cards")] = 0


class TensileFem(Workload):
    """The rank's share of the cards: ``simulate`` makes their records, ``other`` is what to check with."""

    def __init__(
        self, simulate: Simulate, other: Simulate, parameters: TensileFemParameters, comm: Any, device: str
    ) -> None:
        super().__init__(parameters, comm, device)
        self.simulate, self.other = simulate, other
        cards = draw_cards(parameters.cards, np.random.default_rng(parameters.seed))
        share = divide(parameters.cards, comm.size, comm.rank)
        self.cards = cards[share.start : share.stop]
        self.records: NDArray[np.float32] = np.full((len(self.cards), FEATURES), np.nan, np.float32)
        # compiles the loops, outside of the timed step
        tensile_tests()

    def step(self) -> None:
        """Simulate every card of the share."""
        self.records = self.simulate(self.cards)

    def verify(self) -> Check:
        """Compare two cards of every rank with the other implementation, and look at the yield residual of all.

        The two share the mesh and the law, not the return mapping, the assembly or the solver; both stop at residuals
        a thousand times smaller than the tolerance, in double precision. The error is infinite where a point that
        flows is off its yield surface by more than 1e-8 of the yield stress.
        """
        error = 0.0
        for index in {0, len(self.cards) - 1}:
            right = self.other(self.cards[index : index + 1])[0].astype(np.float64)
            error = float(np.maximum(error, np.abs(self.records[index] - right).max() / np.abs(right).max()))
        if max(part.yield_residual for part in self.tensions()) > _YIELD_TOLERANCE:
            error = np.inf
        return Check(
            error=float(np.max(self.comm.allgather(np.nan_to_num(error, nan=np.inf)))),
            tolerance=_TOLERANCE,
            reference="largest error of a strain over the largest strain, against the other implementation in float64",
        )

    def tensions(self) -> list[Tension]:
        """The three tests of the share, by `kernels.material.compiled`."""
        return [test.stretch(self.cards) for test in tensile_tests()]

    def work(self) -> Work:
        """Counted for the compiled backend, whatever the backend: its Newton iterations, all lanes of a group together.

        Per iteration: `_POINT_FLOPS` for each Gauss point, n·(w² + 3w) to factorise a band matrix of n equations and
        half bandwidth w, 4·n·w to solve with it (Golub and Van Loan, "Matrix Computations", section 4.3); and
        `_MAPPING_FLOPS` for each iteration of a return mapping, as many as the slowest lane of its point takes. All of
        it stays in cache; a card comes in and a record goes out.
        """
        flops = 0.0
        for test, tension in zip(tensile_tests(), self.tensions(), strict=True):
            n, w = test.specimen.equations, test.specimen.half_bandwidth
            iteration = _POINT_FLOPS * test.specimen.area.size + n * (w * w + 3 * w) + 4 * n * w
            flops += LANES * (tension.iterations * iteration + tension.mapped * _MAPPING_FLOPS)
        return Work(
            items=self.parameters.cards,
            item="card",
            flops=float(max(self.comm.allgather(flops))),
            dtype="float64",
            memory_bytes=4.0 * (FEATURES + self.cards.shape[1]) * len(divide(self.parameters.cards, self.comm.size, 0)),
        )

    def figures(self, step_s: float) -> list[Figure]:
        """The worst residuals over all ranks, and Newton iterations in a step of a test."""
        parts = [part for rank in self.comm.allgather(self._residuals()) for part in rank]
        return [
            Figure(name="yield_residual", value=max(part[0] for part in parts), better="lower"),
            Figure(name="force_residual", value=max(part[1] for part in parts), better="lower"),
            Figure(name="newton_iterations", value=float(np.mean([part[2] for part in parts])), better="lower"),
        ]

    def _residuals(self) -> list[tuple[float, float, float]]:
        groups = -(-len(self.cards) // LANES)
        return [
            (part.yield_residual, part.force_residual, part.iterations / (groups * STEPS)) for part in self.tensions()
        ]


def _compiled(cards: NDArray[np.float32]) -> NDArray[np.float32]:
    return to_records([test.stretch(cards).strain for test in tensile_tests()])


def _loop(cards: NDArray[np.float32]) -> NDArray[np.float32]:
    """Card by card, specimen by specimen."""
    records = np.empty((len(cards), FEATURES), np.float32)
    for index in range(len(cards)):
        card = law(cards[index : index + 1])
        tests = tensile_tests()
        moved = [loop.stretch(test.specimen, card, test.clamps).displacement[..., None] for test in tests]
        records[index] = to_records([test.gauge_strain(part) for test, part in zip(tests, moved, strict=True)])[0]
    return records


_host_only = cpu_only("its loops are compiled for the CPU")


KERNEL = Kernel(
    name="tensile_fem",
    version=1,
    summary="strain records from material cards: three tensile tests by finite elements",
    parameters=TensileFemParameters,
    backends={
        "compiled": Backend(
            "ours: a vector lane a card, banded Cholesky, Numba", partial(TensileFem, _compiled, _loop), _host_only
        ),
        "numpy": Backend(
            "a plain loop over cards: NumPy, dense matrices", partial(TensileFem, _loop, _compiled), _host_only
        ),
    },
    reference="numpy",
    scaling="strong: the cards are divided over the ranks; weak: every rank has cards",
    grow=growing("cards"),
    check=partial(check_shares, "tensile_fem", "cards"),
)
