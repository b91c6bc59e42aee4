"""Measuring against a base: two stacks, or two commits of this checkout, in pairs of launches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from harness.case import Case, Sweep
from harness.images.stacks import BARE, find_stacks, names_stack
from harness.launch import checkout, plan
from harness.store import source_code
from harness.store.record import RunKey, Stack
from harness.workflow.codes import say
from harness.workflow.compare import compare_stacks
from kernels.api import InputError


class Against(Struct, frozen=True, kw_only=True):
    """Base and candidate: what people call them, and the stack of each that measures a case.

    ``code`` identifies the source code of a stack that is a tree, by the stack's key; ``threshold`` is the change that
    matters, a share.
    """

    names: tuple[str, str]
    stacks_of: Callable[[Case], tuple[Stack, Stack]]
    threshold: float
    code: dict[str, dict[str, Any]] = {}

    def plan(self, sweep: Sweep, finished: Mapping[RunKey, str]) -> list[plan.Launch]:
        """The launches that ``finished`` lacks as pairs, base and candidate alternating."""
        return [
            msgspec.structs.replace(launch, code=self.code.get(launch.stack.key, {}))
            for launch in plan.plan_pairs(sweep, self.stacks_of, finished)
        ]

    def judge(self, sweeps: Iterable[Sweep], results: Path, format_: str) -> int:
        """Print the verdict of every case, as `scalemark compare` does; returns its exit code."""
        sweeps = list(sweeps)
        pairs = [self.stacks_of(item.case) for sweep in sweeps for item in sweep.cases]
        keys = {base.key for base, _ in pairs}, {new.key for _, new in pairs}
        return compare_stacks(results, [sweep.name for sweep in sweeps], self.names, keys, format_, self.threshold)


def make_against(base: str, stacks: tuple[str, ...], results: Path, threshold: float) -> Against:
    """What ``--against`` asks for: the stack ``base`` beside the one of ``--stack``, or a commit beside this code.

    Raises `InputError` for anything else, and for two sides that are one.
    """
    if len(stacks) > 1:
        raise InputError(f"--against compares with one stack, found {len(stacks)}: {', '.join(stacks)}")
    if not names_stack(base):
        if stacks:
            raise InputError(
                f"--against {base} with --stack {stacks[0]}: a commit is measured against this checkout, bare; "
                "right would be a stack on both sides, or no --stack"
            )
        return _against_commit(base, results, threshold)
    new = stacks[0] if stacks else BARE
    base_of, new_of = find_stacks((base,)), find_stacks((new,))

    def stacks_of(case: Case) -> tuple[Stack, Stack]:
        before, after = base_of(case)[0], new_of(case)[0]
        if before.key == after.key:
            raise InputError(
                f"--against {base}: base and candidate are both {after.name}; right would be two images, or a commit"
            )
        return before, after

    return Against(names=(base, new), stacks_of=stacks_of, threshold=threshold)


def _against_commit(ref: str, results: Path, threshold: float) -> Against:
    base, new = checkout.check_out(ref, results), checkout.this_checkout()
    code = {stack.key: source_code.describe(Path(stack.path)) for stack in (base, new)}
    if code[new.key]["dirty"]:
        say("the checkout has uncommitted changes; they are part of what is measured")
    if code[base.key]["digest"] == code[new.key]["digest"]:
        say(f"the kernels of {ref} are those of this checkout: whatever differs is the harness or noise")
    return Against(names=(base.name, new.name), stacks_of=lambda _: (base, new), threshold=threshold, code=code)
