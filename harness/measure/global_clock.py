"""One clock for all ranks: rank 0's, which each rank knows through a linear model of its own clock's offset and drift.

The offset comes from exchanges of messages, of which the quickest is the most exact (Cristian, "Probabilistic clock
synchronization", Distributed Computing 3, 1989); ranks that know it tell others in rounds, as a tree, and the drift is
fitted to many of them (Hunold and Carpen-Amarie, "Hierarchical Clock Synchronization in MPI", CLUSTER 2018).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from harness.measure.clock import now_ns
from harness.store.record import ClockModel

_EXCHANGES = 20
# the first fit: long enough to tell a drift of a millionth, short beside the start of a launch
_FIRST_POINTS = 20
_SPACING_S = 0.01
_MOST_POINTS = 1000


class _Point(Struct, frozen=True):
    """The quickest of some exchanges: own time, what it is ahead of rank 0's, and how long the exchange took."""

    local_ns: int
    offset_ns: int
    round_trip_ns: int


class GlobalClock:
    """Rank 0's clock, read and told on every rank of ``comm``. Making one takes 0.2 s; all ranks do so together.

    ``now_ns`` is this rank's own clock, int nanoseconds; ranks need share neither its origin nor its rate.
    """

    def __init__(self, comm: Any, now_ns: Callable[[], int] = now_ns) -> None:
        self._comm = comm
        self._now_ns = now_ns
        self._errors_ns: list[float] = []
        self._points: deque[_Point] = deque(maxlen=_MOST_POINTS)
        self._origin = self._measure()
        self._ahead_ns, self._drift = 0.0, 0.0
        for _ in range(_FIRST_POINTS):
            time.sleep(_SPACING_S)
            self._points.append(self._measure())
        self._fit()

    def now(self) -> int:
        """Rank 0's time, nanoseconds."""
        return int(self.to_global(np.array(self._now_ns())))

    def to_global(self, local_ns: np.ndarray) -> np.ndarray:
        """Rank 0's times at this rank's times, int64 nanoseconds."""
        elapsed_ns = local_ns - self._origin.local_ns
        return local_ns - self._origin.offset_ns - np.rint(self._ahead_ns + self._drift * elapsed_ns).astype(np.int64)

    def to_local(self, global_ns: np.ndarray) -> np.ndarray:
        """This rank's times at rank 0's times, int64 nanoseconds: the inverse of `to_global`, to a nanosecond."""
        elapsed_ns = global_ns + self._origin.offset_ns - self._origin.local_ns
        elapsed_ns = np.rint((elapsed_ns + self._ahead_ns) / (1 - self._drift)).astype(np.int64)
        return self._origin.local_ns + elapsed_ns

    def refresh(self) -> None:
        """Exchange messages once more, note how far the model was from them, and fit it anew. Collective."""
        point = self._measure()
        predicted_ns = point.local_ns - int(self.to_global(np.array(point.local_ns)))
        self._errors_ns.append(abs(predicted_ns - point.offset_ns))
        self._points.append(point)
        self._fit()

    def take_model(self) -> ClockModel:
        """The model as it stands, with its error since the last call."""
        errors_ns, self._errors_ns = self._errors_ns, []
        return ClockModel(
            offset_s=(self._origin.offset_ns + self._ahead_ns) * 1e-9,
            drift=self._drift,
            at_s=self._origin.local_ns * 1e-9,
            error_s=float(np.median(errors_ns)) * 1e-9 if errors_ns else 0.0,
            round_trip_s=min(point.round_trip_ns for point in self._points) * 1e-9,
        )

    def _fit(self) -> None:
        """Least squares; a point's weight is the inverse of its round trip, half of which bounds its error."""
        if self._comm.rank == 0:
            return
        elapsed_ns = [point.local_ns - self._origin.local_ns for point in self._points]
        ahead_ns = [point.offset_ns - self._origin.offset_ns for point in self._points]
        weights = [1 / point.round_trip_ns for point in self._points]
        self._drift, self._ahead_ns = np.polyfit(elapsed_ns, ahead_ns, 1, w=weights).tolist()

    def _measure(self) -> _Point:
        """This rank's offset, in ceil(log2 p) rounds: in each, every rank that knows its own tells one more."""
        rank, known = self._comm.rank, 1
        point = _Point(self._now_ns(), 0, 0)
        while known < self._comm.size:
            if rank < known and rank + known < self._comm.size:
                self._answer(rank + known, point)
            elif known <= rank < 2 * known:
                point = self._ask(rank - known)
            known *= 2
        return point

    def _answer(self, peer: int, point: _Point) -> None:
        request, reply = np.empty(0, np.int64), np.array([0, point.round_trip_ns])
        for _ in range(_EXCHANGES):
            self._comm.Recv(request, peer)
            reply[0] = self._now_ns() - point.offset_ns
            self._comm.Send(reply, peer)

    def _ask(self, peer: int) -> _Point:
        """The quickest exchange with a rank that knows its offset: its answer belongs to the middle of the exchange."""
        request, reply = np.empty(0, np.int64), np.empty(2, np.int64)
        best = None
        for _ in range(_EXCHANGES):
            sent_ns = self._now_ns()
            self._comm.Send(request, peer)
            self._comm.Recv(reply, peer)
            round_trip_ns = self._now_ns() - sent_ns
            if best is None or round_trip_ns + reply[1] < best.round_trip_ns:
                middle_ns = sent_ns + round_trip_ns // 2
                best = _Point(middle_ns, middle_ns - int(reply[0]), round_trip_ns + int(reply[1]))
        assert best is not None
        return best
