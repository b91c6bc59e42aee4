"""Whether two sides may be compared at all, and what differs in their circumstances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from harness.analyse.side import Outcome, Side

# what --allow-different takes
Allowance = Literal["machine", "kernel-version", "synchronisation"]

# of an environment, in the order of telling; of those with a star each entry is told
_MATTERS = (
    "cpu.*", "memory_bytes", "gpus", "hosts", "operating_system", "python", "mpi.library", "mpi.loaded", "mpi.pmi",
    "mpi.thread_level", "libraries.*", "code.version", "code.commit", "code.dirty", "code.digest", "variables.*",
    "slurm.SLURM_CLUSTER_NAME", "slurm.SLURM_JOB_PARTITION",
)  # fmt: skip
_MACHINE = ("model", "architecture", "cores", "threads")
_TOLD_VALUES = 3


class Difference(Struct, frozen=True):
    """One thing that the two sides do not share, and what each has."""

    what: str
    base: str
    new: str


def why_not_comparable(
    base: tuple[Side, Sequence[Outcome]], new: tuple[Side, Sequence[Outcome]], allowed: Iterable[Allowance]
) -> str:
    """Why a case's outcomes on the two sides must not be compared; empty when they may.

    Unknown machines, of imports that do not tell theirs, are taken to be the same.
    """
    reasons = []
    versions = [sorted({outcome.kernel_version for outcome in outcomes}) for _, outcomes in (base, new)]
    if versions[0] != versions[1] and "kernel-version" not in allowed:
        told = [", ".join(map(str, found)) for found in versions]
        reasons.append(f"kernel version {told[0]} in BASE, {told[1]} in NEW (--allow-different kernel-version)")
    ways = [sorted({outcome.synchronisation for outcome in outcomes}) for _, outcomes in (base, new)]
    if ways[0] != ways[1] and "synchronisation" not in allowed:
        told = [", ".join(found) for found in ways]
        reasons.append(f"ranks synchronised by {told[0]} in BASE, {told[1]} in NEW (--allow-different synchronisation)")
    machines = [_machines(side, outcomes) for side, outcomes in (base, new)]
    if all(machines) and machines[0] != machines[1] and "machine" not in allowed:
        told = [" or ".join(sorted(found)) for found in machines]
        reasons.append(f"measured on {told[0]} in BASE, {told[1]} in NEW (--allow-different machine)")
    return "not compared: " + "; ".join(reasons) if reasons else ""


def find_differences(base: Side, new: Side) -> list[Difference]:
    """What differs in software and machine between the sides, as far as both tell."""
    differences = []
    stacks = [_told(outcome.stack for found in side.outcomes.values() for outcome in found) for side in (base, new)]
    if stacks[0] != stacks[1]:
        differences.append(Difference("stack", *stacks))
    for what in _questions(base, new):
        told = [_told(_find(environment, what) for environment in side.environments) for side in (base, new)]
        if all(told) and told[0] != told[1]:
            differences.append(Difference(what, *told))
    return differences


def _questions(base: Side, new: Side) -> list[str]:
    environments = [*base.environments, *new.environments]
    questions: list[str] = []
    for what in _MATTERS:
        group, star, _ = what.partition(".*")
        if star:
            names = dict.fromkeys(name for environment in environments for name in environment.get(group) or {})
            questions += [f"{group}.{name}" for name in names]
        else:
            questions.append(what)
    return questions


def _find(environment: dict[str, Any], what: str) -> Any:
    """A value of an environment; absent entries of a known group read as such, of an unknown one as nothing."""
    group, dot, name = what.partition(".")
    if not dot:
        return environment.get(group)
    return environment[group].get(name, "absent") if environment.get(group) else None


def _told(values: Iterable[Any]) -> str:
    found = sorted({_word(value) for value in values if value not in (None, "", [])})
    more = f" and {len(found) - _TOLD_VALUES} more" if len(found) > _TOLD_VALUES else ""
    return ", ".join(found[:_TOLD_VALUES]) + more


def _word(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _machines(side: Side, outcomes: Sequence[Outcome]) -> set[str]:
    """The machines that measured, in words; empty when nobody knows."""
    used = {outcome.environment for outcome in outcomes}
    return set(filter(None, (describe_machine(side.environments[index]) for index in used)))


def describe_machine(environment: dict[str, Any]) -> str:
    """What tells kinds of machines apart, in words: processor, its cores, GPUs; empty when nobody knows."""
    cpu = environment.get("cpu") or {}
    words = [
        str(cpu[name]) + (f" {name}" if name in ("cores", "threads") else "") for name in _MACHINE if cpu.get(name)
    ]
    return ", ".join([*words, *(environment.get("gpus") or [])])
