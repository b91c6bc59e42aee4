"""Which launches of one side meet which of the other: by sweep, case id, stack and synchronisation, as far as the sides
share them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from msgspec import Struct

from harness.analyse.circumstances import Difference
from harness.analyse.side import Outcome, Side, newest_outcomes

_sweep_of, _stack_of, _synchronisation_of = map(attrgetter, ("sweep", "stack", "synchronisation"))


class Joined(Struct, frozen=True):
    """A case, its sweep, stack and synchronisation (NEW's, where there are any), and what its launches say."""

    case_id: str
    sweep: str
    stack: str
    synchronisation: str
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


def case_differences(joined: Iterable[Joined]) -> list[Difference]:
    """What of the cases themselves differs where two sides met, which nobody but ``--allow-different`` lets compare."""
    found: dict[Difference, None] = {}
    for item in joined:
        kernel = item.case_id.partition(".")[0]
        for what, name in ((f"kernel version of {kernel}", "kernel_version"), ("synchronisation", "synchronisation")):
            values = [sorted({getattr(run, name) for run in launches}) for launches in (item.before, item.after)]
            if all(values) and values[0] != values[1]:
                found[Difference(what, *(", ".join(map(str, told)) for told in values))] = None
    return list(found)


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
    """Equal stacks meet, and of two that meet equal synchronisations."""
    for stack, old, new in _meet(newest_outcomes(before), newest_outcomes(after), _stack_of) or [("", [], [])]:
        for synchronisation, *launches in _meet(old, new, _synchronisation_of) or [("", [], [])]:
            yield Joined(case_id, sweep, stack, synchronisation, *launches)


def _meet(
    before: Iterable[Outcome], after: Iterable[Outcome], name: Callable[[Outcome], str]
) -> list[tuple[str, list[Outcome], list[Outcome]]]:
    """Launches of both sides by a name they share; where one name is left over on each side, these two meet as well."""
    old, new = _group(before, name), _group(after, name)
    left_over, not_met = old.keys() - new.keys(), new.keys() - old.keys()
    if len(left_over) == len(not_met) == 1:
        old[not_met.pop()] = old.pop(left_over.pop())
    return [(found, old.get(found, []), new.get(found, [])) for found in dict.fromkeys([*old, *new])]


def _group(outcomes: Iterable[Outcome], name: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    found = defaultdict(list)
    for outcome in outcomes:
        found[name(outcome)].append(outcome)
    return dict(found)
