"""What planning costs: cases of a kernel that does nothing, expanded and put into launches, for growing sweeps.

    python benchmarks/planning.py [--cases 1000,3000,10000,30000] [--repeats 5]

Prints a Markdown table: seconds of the whole plan and microseconds a case, medians over repeats with their range, with
nothing measured yet and with all but one case of each ten. The exit code is 1 when 10,000 cases take 2 s or more.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from harness.case import CaseGroup, Sweep, SweepFile, expand
from harness.launch.plan import plan_launches
from harness.store.record import RunKey, Stack

TARGET_CASES, TARGET_S = 10_000, 2.0


def main() -> int:
    options = parse()
    print("| cases | nothing measured: s | us a case | nine in ten measured: s | us a case |\n|---|---|---|---|---|")
    late = False
    for cases in map(int, options.cases.split(",")):
        cells = []
        for resumed in (False, True):
            taken_s = np.array([plan(cases, resumed) for _ in range(options.repeats)])
            cells += [spread(taken_s), spread(taken_s / cases * 1e6)]
            late |= cases == TARGET_CASES and bool(np.median(taken_s) >= TARGET_S)
        print(f"| {cases} | {' | '.join(cells)} |", flush=True)
    return int(late)


def plan(cases: int, resumed: bool) -> float:
    """Seconds from the sweep's file, as it is after parsing, to its launches."""
    group = CaseGroup(kernel="nothing", set={"index": list(range(cases))})
    file = SweepFile(name="planning", mode="none", repeats=1, cases=(group,))
    finished = find_finished(expand(file)) if resumed else set()
    started_s = time.perf_counter()
    launches = plan_launches(expand(file), lambda case: [Stack()], finished)
    taken_s = time.perf_counter() - started_s
    assert sum(len(launch.cases) for launch in launches) == cases - len(finished)
    return taken_s


def find_finished(sweep: Sweep) -> set[RunKey]:
    """The keys of nine cases in ten."""
    return {(item.case.id, Stack().key, 0) for index, item in enumerate(sweep.cases) if index % 10}


def spread(values: np.ndarray) -> str:
    """Median, least and most."""
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="1000,3000,10000,30000")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
