"""Which launches of one side meet which of the other: by sweep, case id and stack, as far as the sides share them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct

from harness.analyse.circumstances import Difference
from harness.analyse.side import Outcome, Side, newest_outcomes

_sweep_of, _stack_of = attrgetter("sweep"), attrgetter("stack")


class Joined(Struct, frozen=True):
    """A case, the sweep and the stack it was measured in (NEW's, where there is one), and what its launches say."""

    case_id: str
    sweep: str
    stack: str
    before: list[Outcome]
    after: list[Outcome]


def join(base: Side, new: Side) -> list[Joined]:
    """All cases of either side.

    Equal sweeps meet. A case that one side measured, or asks for, in a sweep where the other did not, meets what the
    other has of it in sweeps that are left over as well, or else in all of its sweeps: `sweep_differences` tells these.
    """
    asked = defaultdict(list)
    for sweep, case_id in new.asked:
        asked[case_id].append(sweep)
    joined: list[Joined] = []
    for case_id in dict.fromkeys([*base.outcomes, *new.outcomes, *asked]):
        outcomes = (side.outcomes.get(case_id, []) for side in (base, new))
        before, after = (_group(found, _sweep_of) for found in outcomes)
        for sweep, *met in _meet_sweeps(before, after, asked[case_id]):
            joined += _meet_stacks(case_id, sweep, *met)
    return joined


def sweep_differences(joined: Iterable[Joined]) -> list[Difference]:
    """The sweeps that met others than themselves, each meeting once."""
    met = [[", ".join(_group(found, _sweep_of)) for found in (item.before, item.after)] for item in joined]
    return list(dict.fromkeys(Difference("sweep", *names) for names in met if all(names) and names[0] != names[1]))


def _meet_sweeps(
    before: dict[str, list[Outcome]], after: dict[str, list[Outcome]], asked: Sequence[str]
) -> Iterator[tuple[str, list[Outcome], list[Outcome]]]:
    """The sweeps of a case, and for each the launches of both sides that are compared."""
    wanted = dict.fromkeys([*after, *asked])
    left_over = [sweep for sweep in before if sweep not in wanted]
    for sweep in wanted:
        names = [sweep] if sweep in before else left_over or list(before)
        yield sweep, [outcome for name in names for outcome in before[name]], after.get(sweep, [])
    if all(sweep in before for sweep in wanted):
        everything = [outcome for outcomes in after.values() for outcome in outcomes]
        for sweep in left_over:
            yield sweep, before[sweep], everything


def _meet_stacks(case_id: str, sweep: str, before: list[Outcome], after: list[Outcome]) -> Iterator[Joined]:
    """Equal stacks meet; where one is left over on each side, these two meet as well."""
    old, new = (_group(newest_outcomes(found), _stack_of) for found in (before, after))
    left_over, not_met = old.keys() - new.keys(), new.keys() - old.keys()
    if len(left_over) == len(not_met) == 1:
        old[not_met.pop()] = old.pop(left_over.pop())
    for stack in dict.fromkeys([*old, *new]) or [""]:
        yield Joined(case_id, sweep, stack, old.get(stack, []), new.get(stack, []))


def _group(outcomes: Iterable[Outcome], name: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    found = defaultdict(list)
    for outcome in outcomes:
        found[name(outcome)].append(outcome)
    return dict(found)
