"""Do the intervals cover, and do the fits find what was planted? Synthetic timings whose truth is known.

    python benchmarks/study_intervals.py [--trials 2000] [--fits 300] [--seed 0]

Prints Markdown tables: how often 95 % intervals cover the true median, for one launch, for five and for launches in two
modes, and how often the
chosen law is the planted one with its parameters within their intervals. The exit code is 1 where a figure misses its
target: 93 to 97 % for independent samples of one launch, 90 % for several launches, 90 % for fits.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from harness import statistics
from harness.analyse.laws.choice import fit_laws
from harness.analyse.laws.fitted import FittedLaw
from harness.analyse.scaling import TableRow
from harness.case import Mode
from kernels.api import Work

SPREAD = 0.1
AUTOCORRELATION = 0.6
LAUNCHES = 5
SAMPLES_OF_A_LAUNCH = 100
# bootstrap replicates: fewer than the harness takes, for the study's own time
REPLICATES = 400
# how much launches of one mode differ
MODE_SPREAD = 0.005
EFFECTS = (0.0, 0.02, 0.05)
# samples from which the true median of a distribution is read: its own error is a small part of an interval's width
TRUTH_SAMPLES = 2_000_000

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape], np.ndarray]


def draw_lognormal(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    return np.exp(SPREAD * generator.standard_normal(shape))


def draw_bimodal(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Three of ten samples are half as long again, as with two clock rates."""
    mode = np.where(generator.random(shape) < 0.7, 1.0, 1.5)
    return mode + 0.02 * generator.standard_normal(shape)


def draw_heavy_tailed(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Pareto's distribution with index 1.2: no variance."""
    return 1 + 0.05 * generator.pareto(1.2, shape)


def draw_drifting(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """20 % slower at the end of a launch than at its start."""
    return np.exp(SPREAD * (generator.standard_normal(shape) + np.linspace(-1, 1, shape[-1])))


def draw_autocorrelated(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """A first-order autoregressive process, stationary from its first sample on."""
    noise = generator.standard_normal(shape) * np.sqrt(1 - AUTOCORRELATION**2)
    noise[..., 0] /= np.sqrt(1 - AUTOCORRELATION**2)
    return np.exp(SPREAD * lfilter([1.0], [1.0, -AUTOCORRELATION], noise, axis=-1))


DISTRIBUTIONS: dict[str, tuple[Draw, bool]] = {
    "lognormal": (draw_lognormal, True),
    "bimodal": (draw_bimodal, True),
    "heavy-tailed": (draw_heavy_tailed, True),
    "drifting": (draw_drifting, False),
    "autocorrelated": (draw_autocorrelated, False),
}


@dataclass
class Line:
    """One line of a table, and whether it meets its target; None where none is set."""

    cells: Sequence[str]
    met: bool | None


def find_median(draw: Draw, generator: np.random.Generator) -> float:
    """The true median, from launches as long as those of the study."""
    return float(np.median(draw(generator, (TRUTH_SAMPLES // SAMPLES_OF_A_LAUNCH, SAMPLES_OF_A_LAUNCH))))


def cover(intervals: Iterable[tuple[float, float] | None], truth: float) -> float:
    """The share of intervals that hold the truth; none at all holds nothing."""
    return float(np.mean([interval is not None and interval[0] <= truth <= interval[1] for interval in intervals]))


def study_one_launch(trials: int, generator: np.random.Generator) -> list[Line]:
    """The order-statistic interval, of all samples and of as many as are independent, which is what tables show."""
    lines = []
    for name, (draw, independent) in DISTRIBUTIONS.items():
        truth = find_median(draw, generator)
        for count in (30, 300):
            launches = draw(generator, (trials, count))
            plain = cover((statistics.median_interval(values) for values in launches), truth)
            shown = cover(
                (statistics.median_interval(values, statistics.effective_samples(values)) for values in launches), truth
            )
            met = 0.93 <= plain <= 0.97 and 0.93 <= shown <= 0.97 if independent else None
            lines.append(Line((name, str(count), percent(plain), percent(shown)), met))
    return lines


def study_launches(trials: int, generator: np.random.Generator) -> list[Line]:
    """The t interval over log medians, which is what tables show, beside the bootstrap over launches, then samples."""
    lines = []
    for name, (draw, _) in DISTRIBUTIONS.items():
        truth = find_median(draw, generator)
        for effect in EFFECTS:
            effects = np.exp(effect * generator.standard_normal((trials, LAUNCHES, 1)))
            launches = draw(generator, (trials, LAUNCHES, SAMPLES_OF_A_LAUNCH)) * effects
            student = cover((statistics.typical_interval(medians) for medians in np.median(launches, axis=2)), truth)
            bootstrap = cover(
                (statistics.bootstrap_interval(trial, generator, REPLICATES) for trial in launches), truth
            )
            lines.append(Line((name, f"{100 * effect:g} %", percent(student), percent(bootstrap)), student >= 0.90))
    return lines


def study_modes(trials: int, generator: np.random.Generator) -> list[Line]:
    """Launches of which three in ten are 10 % slower: what tables show beside the t interval alone."""
    lines = []

    def draw(shape: Shape) -> np.ndarray:
        mode = np.where(generator.random(shape) < 0.7, 1.0, 1.1)
        return mode * np.exp(MODE_SPREAD * generator.standard_normal(shape))

    truth = float(np.median(draw((TRUTH_SAMPLES,))))
    for launches in (LAUNCHES, 10, 20):
        medians = draw((trials, launches))
        shown = [statistics.typical_interval(values) for values in medians]
        student = [statistics.launch_interval(values) for values in medians]
        own = [
            float(
                np.mean([low <= np.median(values) <= high for (low, high), values in zip(found, medians, strict=True)])
            )
            for found in (student, shown)
        ]
        cells = (percent(cover(student, truth)), percent(cover(shown, truth)), *map(percent, own))
        lines.append(Line((str(launches), *cells), own[1] == 1.0 and cover(shown, truth) >= 0.90))
    return lines


@dataclass
class Plant:
    """A law by its name or formula, the true times over what grows, and its true parameters."""

    law: str
    mode: Mode
    times_s: Callable[[np.ndarray], np.ndarray]
    truth: Mapping[str, float]


RANKS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
PLANTS = {
    "flat, strong": Plant("constant", "strong", lambda p: 1e-3 + 0 * p, {"t_s": 1e-3}),
    "flat, weak": Plant("constant", "weak", lambda p: 1e-3 + 0 * p, {"t_s": 1e-3}),
    "Amdahl, f = 5 %": Plant("amdahl", "strong", lambda p: 0.05 + 0.95 / p, {"t1_s": 1.0, "f": 0.05}),
    "Gustafson, s = 20 %": Plant("gustafson", "weak", lambda p: p / (0.2 + 0.8 * p), {"t1_s": 1.0, "s": 0.2}),
    "USL, 5 %, 0.2 %": Plant(
        "usl",
        "strong",
        lambda p: (1 + 0.05 * (p - 1) + 0.002 * p * (p - 1)) / p,
        {"t1_s": 1.0, "sigma": 0.05, "kappa": 0.002},
    ),
    "PMNF, log2(p)": Plant(
        "T = c0 + c1 log2(p)", "weak", lambda p: 1e-5 + 2e-6 * np.log2(p), {"c0_s": 1e-5, "c1_s": 2e-6}
    ),
    "PMNF, p^(3/2)": Plant("T = c0 + c1 p^(3/2)", "weak", lambda p: 1e-2 + 2e-3 * p**1.5, {"c0_s": 1e-2, "c1_s": 2e-3}),
}
SIZES = np.array([8.0, 1024.0, 65536.0, 1048576.0, 16777216.0])
ALPHA_S, BETA_S_PER_BYTE = 2e-6, 2.5e-10


def make_rows(times_s: np.ndarray, mode: Mode, effect: float, generator: np.random.Generator) -> list[TableRow]:
    """Rows over ranks whose launches differ by an effect."""
    rows = []
    for ranks, time_s in zip(RANKS.astype(int), times_s, strict=True):
        medians_s = (time_s * np.exp(effect * generator.standard_normal(LAUNCHES))).tolist()
        rows.append(make_row(int(ranks), medians_s, mode))
    return rows


def make_size_rows(effect: float, generator: np.random.Generator) -> list[TableRow]:
    """Rows of a collective over message sizes on two ranks."""
    rows = []
    for size in SIZES:
        time_s = ALPHA_S + BETA_S_PER_BYTE * size
        medians_s = (time_s * np.exp(effect * generator.standard_normal(LAUNCHES))).tolist()
        work = Work(items=size, item="byte", sent_bytes=size, messages=1)
        rows.append(make_row(2, medians_s, "none", series=f"{size}", parameters={"message_bytes": size}, work=work))
    return rows


def make_row(ranks: int, medians_s: list[float], mode: Mode, **settings: object) -> TableRow:
    common = {
        "sweep": "study",
        "case_id": f"planted.n1r{ranks}",
        "kernel": "planted",
        "backend": "none",
        "parameters": {},
        "nodes": 1,
        "ranks": ranks,
        "threads": 1,
        "stack": "bare",
        "status": "ok",
        "mode": mode,
        "series": "planted",
        "median_s": float(np.median(medians_s)),
        "launch_median_s": medians_s,
    }
    return TableRow(**(common | settings))


def study_fits(trials: int, generator: np.random.Generator) -> list[Line]:
    """How often the planted law is chosen, and how often, when it is, its parameters' intervals hold the truth."""
    lines = []
    for effect in (0.01, 0.05):
        for name, plant in PLANTS.items():
            found = [
                law
                for _ in range(trials)
                for law in fit_laws(make_rows(plant.times_s(RANKS), plant.mode, effect, generator), REPLICATES)
            ]
            lines.append(judge_fits(name, plant.law, plant.truth, effect, found))
        found = [fit_laws(make_size_rows(effect, generator), REPLICATES)[0] for _ in range(trials)]
        truth = {"alpha_s": ALPHA_S, "beta_s_per_byte": BETA_S_PER_BYTE}
        lines.append(judge_fits("alpha-beta", "alpha-beta", truth, effect, found))
    return lines


def judge_fits(name: str, planted: str, truth: Mapping[str, float], effect: float, found: Sequence[FittedLaw]) -> Line:
    right = [law for law in found if planted in (law.law, law.formula)]
    held = Counter(
        parameter.name
        for law in right
        for parameter in law.parameters
        if parameter.name in truth and parameter.low <= truth[parameter.name] <= parameter.high
    )
    shares = {parameter: held[parameter] / max(len(right), 1) for parameter in truth}
    chosen = len(right) / len(found)
    # a law is recovered where it can be told from its neighbours; flat data has to stay flat however much it scatters
    met = min(shares.values()) >= 0.90 and (chosen >= 0.90 or (effect > 0.01 and planted != "constant"))
    told = ", ".join(f"{parameter} {percent(share)}" for parameter, share in shares.items())
    return Line((name, f"{100 * effect:g} %", percent(chosen), told), met)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def print_table(title: str, header: Sequence[str], lines: Sequence[Line]) -> bool:
    print(f"\n**{title}**\n")
    print("| " + " | ".join([*header, "target met"]) + " |")
    print("|" + " --- |" * (len(header) + 1))
    for line in lines:
        print("| " + " | ".join([*line.cells, {True: "yes", False: "no", None: "none set"}[line.met]]) + " |")
    return all(line.met is not False for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="trials of each line of the interval tables")
    parser.add_argument("--fits", type=int, default=300, help="trials of each line of the table of laws")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    met = print_table(
        f"One launch: coverage of 95 % intervals of the median, {options.trials} trials",
        ["samples", "count", "order statistics", "of effective samples (shown)"],
        study_one_launch(options.trials, generator),
    )
    met &= print_table(
        f"{LAUNCHES} launches of {SAMPLES_OF_A_LAUNCH} samples: coverage of 95 % intervals, {options.trials} trials",
        ["samples", "launch effect", "t over log medians (shown)", "bootstrap"],
        study_launches(options.trials, generator),
    )
    met &= print_table(
        f"Launches of which three in ten are 10 % slower: coverage of 95 % intervals, {options.trials} trials",
        ["launches", "t over log medians", "shown", "t holds the median shown", "shown holds it"],
        study_modes(options.trials, np.random.default_rng(options.seed)),
    )
    met &= print_table(
        f"Laws over {len(RANKS)} points, {LAUNCHES} launches each, {options.fits} trials",
        ["planted", "launch effect", "chosen", "within its interval"],
        study_fits(options.fits, generator),
    )
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
