"""What the harness costs: 100 cases of a kernel that does nothing, in one launch, beside the same cases in ReFrame.

    python benchmarks/orchestration.py [--cases 100] [--ranks 1,2] [--repeats 5]

A case's cost is the wall time of the whole command, start of Python and MPI included, over the number of cases; the
sampling budget is the shortest there is, so that almost nothing but orchestration is left. ReFrame's cost is measured
in the same run when its command is installed (in an environment of its own, named by --reframe); without it the figure
that was measured for its local scheduler on two cores stands in, and the output says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# seconds a case, ReFrame 4.10, 100 cases that print one number, asynchronous and serial execution policy
REFRAME_BEFORE_S = {"asynchronous": 0.11, "serial": 0.20}
TARGET_S = 0.020

REFRAME_TEST = """
import reframe as rfm
import reframe.utility.sanity as sn


@rfm.simple_test
class Nothing(rfm.RunOnlyRegressionTest):
    index = parameter(range({cases}))
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = "echo"
    executable_opts = ["1"]

    @sanity_function
    def check(self):
        return sn.assert_found("1", self.stdout)
"""


def time_scalemark(cases: int, ranks: int) -> tuple[float, float]:
    """Wall seconds of a sweep of ``cases`` cases, and the part between its first and its last record."""
    scalemark = str(Path(sys.executable).with_name("scalemark"))
    with tempfile.TemporaryDirectory() as results:
        indices = ",".join(map(str, range(cases)))
        command = [scalemark, "sweep", "nothing", "--set", f"index={indices}", "--mode", "none", "--repeats", "1"]
        command += ["--budget-s", "0.001", "--ranks-per-node", str(ranks), "--results", results]
        started_s = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall_s = time.perf_counter() - started_s
        written_s = sorted(path.stat().st_mtime for path in Path(results, "runs").glob("*/*/*.json"))
    assert len(written_s) == cases
    return wall_s, written_s[-1] - written_s[0]


def time_reframe(reframe: str, cases: int, policy: str) -> float:
    """Wall seconds of the same number of cases in ReFrame's local scheduler."""
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder, "nothing.py")
        test.write_text(REFRAME_TEST.format(cases=cases))
        started_s = time.perf_counter()
        subprocess.run(
            [reframe, "--checkpath", str(test), "--prefix", folder, "--exec-policy", policy, "--run"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        return time.perf_counter() - started_s


def main() -> int:
    """Measure, print one line a configuration; exit code 1 when a case costs more than the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--ranks", default="1,2", help="rank counts, with commas")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--reframe", help="path of the reframe command")
    options = parser.parse_args()

    peer_s, source = REFRAME_BEFORE_S["asynchronous"], "measured before"
    if options.reframe:
        taken_s = [time_reframe(options.reframe, options.cases, "async") for _ in range(options.repeats)]
        peer_s, source = statistics.median(taken_s) / options.cases, "measured now"
    rows = [_measure(int(ranks), options, peer_s) for ranks in options.ranks.split(",")]
    for row in rows:
        print(
            f"{row['ranks']} ranks: {row['case_s'] * 1e3:.1f} ms a case inside, "
            f"{row['whole_case_s'] * 1e3:.1f} with its start [{row['low_s'] * 1e3:.1f} to {row['high_s'] * 1e3:.1f}]; "
            f"ReFrame {peer_s * 1e3:.0f} ms ({source}): {peer_s / row['whole_case_s']:.1f} times as much"
        )
    print(json.dumps({"target_s": TARGET_S, "reframe_case_s": peer_s, "reframe": source, "rows": rows}))
    return int(any(row["case_s"] > TARGET_S for row in rows))


def _measure(ranks: int, options: argparse.Namespace, peer_s: float) -> dict[str, float]:
    taken = [time_scalemark(options.cases, ranks) for _ in range(options.repeats)]
    whole_s = [wall_s / options.cases for wall_s, _ in taken]
    inside_s = statistics.median(between_s / (options.cases - 1) for _, between_s in taken)
    return {
        "ranks": ranks,
        "case_s": inside_s,
        "whole_case_s": statistics.median(whole_s),
        "low_s": min(whole_s),
        "high_s": max(whole_s),
        "ratio": peer_s / statistics.median(whole_s),
    }


if __name__ == "__main__":
    sys.exit(main())
