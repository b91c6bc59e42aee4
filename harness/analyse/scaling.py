"""The scaling table: one row a case, stack and synchronisation, each with the base its speed-up names."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from harness.analyse.launches import is_near_clock
from harness.case import Mode, Synchronisation
from harness.store.record import RowKey, Status
from kernels.api import Work
from kernels.calibration.limits import MOST_FRACTION


class TableRow(Struct, frozen=True, kw_only=True):
    """One case in one stack, its ranks synchronised in one way.

    The fields are the columns that programs read, in this order; SI units.

    ``status`` is ``ok`` only when no launch of the case lacks its result; ``message`` says what is wrong. ``rate`` is
    the whole job's items per second, ``speedup`` its ratio to the rate of ``base_case_id`` (the fewest ranks of the
    series: T1/Tp in strong scaling, the scaled speed-up in weak) and ``efficiency`` that over the ratio of ranks.
    ``speedup_low`` and ``speedup_high`` enclose the speed-up with 95 % probability where both sides have several
    launches; ``serial_fraction`` is Karp and Flatt's, with its own interval. ``peer_speedup`` is the ratio to the
    slowest backend at the same parameters and scale. Wrong answers (``check_passed`` false) have times, but neither are
    a base nor have a ratio. ``bound`` names the limit of the machine that binds, and ``fraction_of_bound`` is the least
    time that it allows over the median. ``resolution_s`` is the coarsest step of the launches' clocks,
    ``timer_cost_s`` what a reading of the slowest of them takes. ``missed_windows`` is the share of steps that did not
    count because a rank missed their window.
    """

    sweep: str
    case_id: str
    kernel: str
    backend: str
    parameters: dict[str, Any]
    nodes: int
    ranks: int
    threads: int
    stack: str
    status: Status | Literal["missing"]
    launches: int = 0
    samples: int = 0
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    min_s: float | None = None
    p99_s: float | None = None
    rate: float | None = None
    rate_unit: str = ""
    speedup: float | None = None
    efficiency: float | None = None
    bound: str | None = None
    fraction_of_bound: float | None = None
    check_error: float | None = None
    figures: dict[str, float | str | None] = {}
    figure_units: dict[str, str] = {}
    item: str = ""
    mode: Mode = "none"
    series: str = ""
    base_case_id: str | None = None
    peer_speedup: float | None = None
    check_passed: bool | None = None
    device: str = "cpu"
    kernel_version: int = 0
    message: str = ""
    cv: float | None = None
    launch_median_s: list[float] = []
    speedup_low: float | None = None
    speedup_high: float | None = None
    serial_fraction: float | None = None
    serial_fraction_low: float | None = None
    serial_fraction_high: float | None = None
    work: Work | None = None
    resolution_s: float | None = None
    synchronisation: Synchronisation = "barrier"
    missed_windows: float | None = None
    timer_cost_s: float | None = None

    @property
    def key(self) -> RowKey:
        """What its launches share."""
        return self.sweep, self.case_id, self.stack, self.synchronisation, self.kernel_version

    @property
    def line(self) -> tuple[str, str, str, str, str]:
        """What the points of one scaling curve share: sweep, series, device, stack, synchronisation."""
        return self.sweep, self.series, self.device, self.stack, self.synchronisation

    @property
    def problem(self) -> str:
        """What the series of different backends share: kernel, parameters, threads and device."""
        return f"{self.kernel}.{self.series.removeprefix(f'{self.kernel}.{self.backend}.')}.{self.device}"

    @property
    def size(self) -> tuple[int, int]:
        """Ranks, then nodes: what grows along a series."""
        return self.ranks, self.nodes

    @property
    def counts(self) -> bool:
        """Whether the row has a time, and the answer that took it was right."""
        return self.median_s is not None and self.check_passed is not False

    @property
    def beats_bound(self) -> bool:
        """Whether it is faster than it can be, so that its work is counted wrongly or the machine has changed."""
        return self.fraction_of_bound is not None and self.fraction_of_bound > MOST_FRACTION

    @property
    def is_near_clock(self) -> bool:
        """Whether it is so short that the clock shows."""
        return is_near_clock(self.median_s, self.resolution_s, self.timer_cost_s)

    @property
    def is_bad(self) -> bool:
        """Whether a launch failed, is missing altogether, or gave a wrong answer."""
        return self.status != "ok" or self.check_passed is False


class ScalingTable(Struct, frozen=True, kw_only=True):
    """A sweep's rows, and a line on every file among its records that is none."""

    sweep: str
    mode: Mode
    rows: list[TableRow]
    damages: list[str] = []

    @property
    def is_bad(self) -> bool:
        """Whether anything is failed, missing, damaged or answered wrongly."""
        return bool(self.damages) or any(row.is_bad for row in self.rows)
