"""Who meets whom, told by the sweep of each launch."""

import pytest

from harness.analyse.join import join, sweep_differences
from harness.analyse.side import Outcome, Side


@pytest.fixture
def make_side(make_case):
    """A side of one case, measured in some sweeps and asked for in others."""

    def make(*sweeps, asked=(), stack="bare"):
        case = make_case()
        outcomes = [
            Outcome(
                run_id=sweep, sweep=sweep, stack=stack, repeat=0, pair="", status="ok", message="", is_right=True,
                value=1.0, samples=1, kernel_version=1, environment=0, started="", ended="",
            )
            for sweep in sweeps
        ]  # fmt: skip
        return Side(
            name="side", cases={case.id: case}, outcomes={case.id: outcomes} if outcomes else {},
            asked={(sweep, case.id): case for sweep in asked}, environments=[{}], damages=[], better="lower",
            figures=set(),
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("base", "new", "asked", "met"),
    [
        (["strong", "weak"], ["strong", "weak"], [], [("strong", "strong", "strong"), ("weak", "weak", "weak")]),
        (["old"], ["new"], [], [("new", "old", "new")]),
        (["both", "old"], ["both", "new"], [], [("both", "both", "both"), ("new", "old", "new")]),
        (["a", "b"], ["new"], [], [("new", "a, b", "new")]),
        (["strong"], ["strong", "run"], [], [("strong", "strong", "strong"), ("run", "strong", "run")]),
        (["strong", "run"], ["strong"], [], [("strong", "strong", "strong"), ("run", "run", "strong")]),
        (["strong", "weak"], ["strong"], ["weak"], [("strong", "strong", "strong"), ("weak", "weak", "")]),
        (["strong", "weak"], [], [], [("strong", "strong", ""), ("weak", "weak", "")]),
        ([], ["new"], ["new", "other"], [("new", "", "new"), ("other", "", "")]),
    ],
)
def test_equal_sweeps_meet_and_those_left_over_fall_back_on_the_case(make_side, base, new, asked, met):
    joined = join(make_side(*base), make_side(*new, asked=asked))
    told = [[", ".join(outcome.sweep for outcome in found) for found in (item.before, item.after)] for item in joined]
    assert [(item.sweep, *names) for item, names in zip(joined, told, strict=True)] == met
    differing = [(before, after) for _, before, after in met if before and after and before != after]
    assert [(item.base, item.new) for item in sweep_differences(joined)] == differing
