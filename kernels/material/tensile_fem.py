"""Kernel ``tensile_fem``: strain records from material cards, by finite elements.

One step simulates the three tensile tests of every card: `kernels.material.tensile`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from kernels.api import Backend, Check, Figure, Kernel, Parameters, Work, Workload, divide
from kernels.declaring import check_shares, cpu_only, growing
from kernels.material import loop
from kernels.material.cards import draw_cards, law
from kernels.material.lanes import LANES
from kernels.material.tensile import FEATURES, STEPS, TensileTest, Tension, tensile_tests, to_records
from kernels.material.uniaxial import r_value_error

Cards = NDArray[np.float32]

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


class Way(NamedTuple):
    """How a backend does a tensile test of cards [cards, 8], and how many of them together."""

    stretch: Callable[[TensileTest, Cards], Tension]
    together: int

    def simulate(self, cards: Cards) -> list[Tension]:
        """The three tests of a record."""
        return [self.stretch(test, cards) for test in tensile_tests()]


class TensileFem(Workload):
    """The rank's share of the cards: ``way`` makes their records, ``other`` is what to check with."""

    def __init__(self, way: Way, other: Way, parameters: TensileFemParameters, comm: Any, device: str) -> None:
        super().__init__(parameters, comm, device)
        self.way, self.other = way, other
        cards = draw_cards(parameters.cards, np.random.default_rng(parameters.seed))
        share = divide(parameters.cards, comm.size, comm.rank)
        self.cards = cards[share.start : share.stop]
        self.tensions: list[Tension] = []
        self.records: NDArray[np.float32] = np.full((len(self.cards), FEATURES), np.nan, np.float32)
        # compiles the loops, outside of the timed step
        tensile_tests()

    def step(self) -> None:
        """Simulate every card of the share."""
        self.tensions = self.way.simulate(self.cards)
        self.records = _records(self.tensions)

    def verify(self) -> Check:
        """Compare two cards of every rank with the other implementation, and look at the yield residuals of all.

        The two share the mesh and the law, not the return mapping, the assembly or the solver; both stop at residuals
        a thousand times smaller than the tolerance, in double precision. The error is infinite where a point that
        flows is off its yield surface by more than 1e-8 of the yield stress, see `yield_residual`.
        """
        error = 0.0
        for index in {0, len(self.cards) - 1}:
            right = _records(self.other.simulate(self.cards[index : index + 1]))[0].astype(np.float64)
            error = float(np.maximum(error, np.abs(self.records[index] - right).max() / np.abs(right).max()))
        if self._yield_residual() > _YIELD_TOLERANCE:
            error = np.inf
        return Check(
            error=float(np.max(self.comm.allgather(np.nan_to_num(error, nan=np.inf)))),
            tolerance=_TOLERANCE,
            reference="largest error of a strain over the largest strain, against the other implementation in float64",
        )

    def work(self) -> Work:
        """Counted for the compiled backend, whatever the backend: its Newton iterations, all lanes of a group together.

        Per iteration: `_POINT_FLOPS` for each Gauss point, n·(w² + 3w) to factorise a band matrix of n equations and
        half bandwidth w, 4·n·w to solve with it (Golub and Van Loan, "Matrix Computations", section 4.3); and
        `_MAPPING_FLOPS` for each iteration of a return mapping, as many as the slowest lane of its point takes. All of
        it stays in cache; a card comes in and a record goes out.
        """
        flops = 0.0
        for test, tension in zip(tensile_tests(), self._counted, strict=True):
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
        """Over all ranks: the worst residuals, how far off the r-values of one element are, Newton's iterations.

        The r-values are of the first cards of each rank's share, as many as are simulated together; the iterations are
        the mean over the steps of a test.
        """
        groups = -(-len(self.cards) // self.way.together)
        worst = {
            "yield_residual": self._yield_residual(),
            "force_residual": max(part.force_residual for part in self.tensions),
            "r_value_error": r_value_error(self.way.stretch, self.cards[: self.way.together]),
        }
        iterations = np.mean([part.iterations / (groups * STEPS) for part in self.tensions])
        return [
            *(Figure(name=name, value=max(self.comm.allgather(own)), better="lower") for name, own in worst.items()),
            Figure(name="newton_iterations", value=np.mean(self.comm.allgather(iterations)).item(), better="lower"),
        ]

    @cached_property
    def _counted(self) -> list[Tension]:
        """The compiled backend's tests of the share."""
        return self.tensions if self.way is _COMPILED and self.tensions else _COMPILED.simulate(self.cards)

    def _yield_residual(self) -> float:
        return max((yield_residual(self.cards, part) for part in self.tensions), default=np.inf)


def yield_residual(cards: NDArray, tension: Tension) -> float:
    """The worst |σ̄ − σ_Y|/σ_Y of all points and steps that flow, from stress and plastic strain, by `cards.law`."""
    card = law(cards)
    # [points, steps, cards, 3] and [points, steps, cards]
    stress = np.moveaxis(tension.stress_pa, (0, 2), (2, 3))
    plastic = np.moveaxis(tension.plastic_strain, 0, 2)
    flows = np.diff(plastic, axis=1, prepend=0.0) > 0
    limit = card.hardening.yield_stress_pa(plastic)
    return float(np.where(flows, np.abs(card.surface.effective_stress(stress) / limit - 1), 0.0).max())


def _records(tensions: list[Tension]) -> NDArray[np.float32]:
    return to_records([part.strain for part in tensions])


def _stretch_one_by_one(test: TensileTest, cards: Cards) -> Tension:
    """Card by card; the iterations of return mappings are not counted."""
    parts = [loop.stretch(test.specimen, law(cards[index : index + 1]), test.clamps) for index in range(len(cards))]
    stress_pa = np.stack([part.stress_pa for part in parts])
    tension = Tension(
        test.gauge_strain(np.stack([part.displacement for part in parts], axis=-1)),
        np.moveaxis(stress_pa, 1, 3),
        np.stack([part.plastic_strain.T for part in parts]),
        yield_residual=np.nan,
        force_residual=max(float(part.force_residual.max()) for part in parts),
        mapped=0,
        iterations=sum(int(part.iterations.sum()) for part in parts),
    )
    return tension._replace(yield_residual=yield_residual(cards, tension))


_COMPILED = Way(TensileTest.stretch, LANES)
_LOOP = Way(_stretch_one_by_one, 1)

_host_only = cpu_only("its loops are compiled for the CPU")


KERNEL = Kernel(
    name="tensile_fem",
    version=1,
    summary="strain records from material cards: three tensile tests by finite elements",
    parameters=TensileFemParameters,
    backends={
        "compiled": Backend(
            "ours: a vector lane a card, banded LDLᵀ, Numba", partial(TensileFem, _COMPILED, _LOOP), _host_only
        ),
        "numpy": Backend(
            "a plain loop over cards: NumPy, dense matrices", partial(TensileFem, _LOOP, _COMPILED), _host_only
        ),
    },
    reference="numpy",
    scaling="strong: the cards are divided over the ranks; weak: every rank has cards",
    grow=growing("cards"),
    check=partial(check_shares, "tensile_fem", "cards"),
)
