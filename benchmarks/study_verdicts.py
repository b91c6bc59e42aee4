"""How often `scalemark compare` is right: synthetic pairs of known truth, and other tools' rules on the same pairs.

    python benchmarks/study_verdicts.py [--pairs 1000] [--seed 0]

Each pair is two sides of five launches with 30 samples each. Base and candidate were measured one after the other, or,
for the rows called paired, alternately. Prints the Markdown tables of docs/compare.md; the exit code is 1 when our rule
misses a target.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable

import numpy as np
from scipy.stats import mannwhitneyu, t

from harness.analyse.ratio import Launches, Ratio, paired, unpaired
from harness.analyse.verdicts import judge

LAUNCHES, SAMPLES = 5, 30
THRESHOLD, PAIRED_THRESHOLD = 0.05, 0.02
# sweeps that are judged as a whole, their cases, and how many of these get slower
SWEEPS, SWEEP_CASES, SLOWED = 40, 500, 10
CHANGES = (0.0, 0.05, 0.10, 0.15)
# (noise model, change): the least share that has to be called slower
TARGETS = {("launch effects", 0.10): 0.85, ("launch effects", 0.15): 0.99}
MOST_FALSE_ALARMS = 0.01
PAIRED_TARGET = 0.95

Model = Callable[[np.random.Generator, int], np.ndarray]
Rule = Callable[[np.ndarray, np.ndarray, float], list[bool]]


def independent(generator: np.random.Generator, pairs: int) -> np.ndarray:
    """Every sample for itself: 2 %, skewed to the slow side as timings are."""
    return samples_around(generator, np.zeros((pairs, 2 * LAUNCHES)))


def launch_effects(generator: np.random.Generator, pairs: int) -> np.ndarray:
    """Launches differ by 2 % (standard deviation), besides their samples."""
    return samples_around(generator, generator.normal(0, 0.02, (pairs, 2 * LAUNCHES)))


def slow_drift(generator: np.random.Generator, pairs: int) -> np.ndarray:
    """The machine's speed wanders by 3 %, forgetting within ten launches (Ornstein-Uhlenbeck); launches by 0.5 %."""
    memory = math.exp(-1 / 10)
    steps = generator.normal(0, 0.03, (pairs, 2 * LAUNCHES))
    level = np.empty_like(steps)
    level[:, 0] = steps[:, 0]
    for launch in range(1, 2 * LAUNCHES):
        level[:, launch] = memory * level[:, launch - 1] + math.sqrt(1 - memory**2) * steps[:, launch]
    return samples_around(generator, level + generator.normal(0, 0.005, level.shape))


def warming(generator: np.random.Generator, pairs: int) -> np.ndarray:
    """The machine gets steadily slower or faster, by 5 % (standard deviation) from the first launch to the last."""
    ramp = np.linspace(0, 1, 2 * LAUNCHES)
    level = generator.normal(0, 0.05, (pairs, 1)) * ramp
    return samples_around(generator, level + generator.normal(0, 0.005, level.shape))


def bimodal(generator: np.random.Generator, pairs: int) -> np.ndarray:
    """Three launches in ten land in a mode that is 10 % slower (memory placement, say); launches differ by 0.5 %."""
    slow = generator.random((pairs, 2 * LAUNCHES)) < 0.3
    return samples_around(generator, 0.10 * slow + generator.normal(0, 0.005, slow.shape))


def heavy_tails(generator: np.random.Generator, pairs: int) -> np.ndarray:
    """Launches differ by 1 % times Student's t with 2 degrees of freedom; a tenth of samples takes far longer."""
    times = samples_around(generator, 0.01 * generator.standard_t(2, (pairs, 2 * LAUNCHES)))
    slow = generator.random(times.shape) < 0.1
    return times * np.where(slow, 1 + generator.pareto(1.5, times.shape), 1)


def samples_around(generator: np.random.Generator, launch_logs: np.ndarray) -> np.ndarray:
    """Times of shape (pairs, launches, samples) around exp(launch_logs): lognormal with a tail of 2 %."""
    spread = np.abs(generator.normal(0, 0.02, (*launch_logs.shape, SAMPLES)))
    return np.exp(launch_logs[..., None] + spread)


MODELS: dict[str, Model] = {
    "independent": independent,
    "launch effects": launch_effects,
    "slow drift": slow_drift,
    "warming": warming,
    "bimodal": bimodal,
    "heavy tails": heavy_tails,
}


def ratios(
    base: np.ndarray, new: np.ndarray, estimate: Callable[[list[float], list[float]], Ratio | None]
) -> list[Ratio]:
    """The ratio of every pair, from the logarithms of its launch medians."""
    logs = [np.log(np.median(side, axis=2)).tolist() for side in (base, new)]
    return [ratio for before, after in zip(*logs, strict=True) if (ratio := estimate(before, after)) is not None]


def welch_ratios(base: np.ndarray, new: np.ndarray) -> list[Ratio]:
    """The ratios of launches measured independently."""
    return ratios(base, new, lambda before, after: unpaired(Launches.of(before), Launches.of(after)))


def scalemark_together(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """Ours, all pairs as the cases of one sweep."""
    return [item.verdict == "slower" for item in judge(welch_ratios(base, new), threshold)]


def scalemark_alone(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """Ours, each pair a comparison of its own."""
    return [judge([ratio], threshold)[0].verdict == "slower" for ratio in welch_ratios(base, new)]


def scalemark_paired(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """Ours, launches measured alternately and compared as pairs."""
    found = ratios(base, new, lambda before, after: paired([b - a for a, b in zip(before, after, strict=True)]))
    return [judge([ratio], threshold)[0].verdict == "slower" for ratio in found]


def reframe(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """ReFrame's performance comparison: the difference in per cent of the mean over runs, each run one number."""
    means = [np.median(side, axis=2).mean(axis=1) for side in (base, new)]
    return list(means[1] / means[0] - 1 > threshold)


def pytest_benchmark(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """pytest-benchmark's ``--benchmark-compare-fail=mean:5%``: one stored run against another, as it keeps them."""
    means = [side[:, -1].mean(axis=1) for side in (base, new)]
    return list(means[1] / means[0] - 1 > threshold)


def asv(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """asv's rule: Mann-Whitney p below 0.002 on the samples of all processes, and medians apart by a factor."""
    pooled = [side.reshape(len(side), -1) for side in (base, new)]
    medians = [np.median(side, axis=1) for side in pooled]
    differs = mannwhitneyu(*pooled, axis=1).pvalue < 0.002
    return list(differs & (medians[1] / medians[0] > 1 + threshold))


def bootstrap(base: np.ndarray, new: np.ndarray, threshold: float, resamples: int = 400) -> list[bool]:
    """Rejected: a hierarchical percentile bootstrap, launches first, its lower 95 % bound over the threshold."""
    generator = np.random.default_rng(0)
    slower = []
    for before, after in zip(base, new, strict=True):
        drawn = [_resample(side, resamples, generator) for side in (before, after)]
        slower.append(bool(np.quantile(drawn[1] - drawn[0], 0.05) > math.log1p(threshold)))
    return slower


def _resample(side: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    launches = generator.integers(0, LAUNCHES, (resamples, LAUNCHES, 1))
    samples = generator.integers(0, SAMPLES, (resamples, LAUNCHES, SAMPLES))
    return np.log(np.median(side[launches, samples], axis=2)).mean(axis=1)


def pooled_t(base: np.ndarray, new: np.ndarray, threshold: float) -> list[bool]:
    """Rejected: Student's t with pooled variance, point beyond the threshold and p below 1 %."""
    logs = [np.log(np.median(side, axis=2)) for side in (base, new)]
    differences = logs[1].mean(axis=1) - logs[0].mean(axis=1)
    errors = np.sqrt(sum(side.var(axis=1, ddof=1) for side in logs) / LAUNCHES)
    p_values = 2 * t.sf(np.abs(differences) / errors, 2 * LAUNCHES - 2)
    return list((differences > math.log1p(threshold)) & (p_values < 0.01))


RULES: dict[str, Rule] = {
    "scalemark, one sweep": scalemark_together,
    "scalemark, each alone": scalemark_alone,
    "ReFrame, difference of means": reframe,
    "pytest-benchmark, mean:5%": pytest_benchmark,
    "asv, factor 1.05": asv,
    "bootstrap (rejected)": bootstrap,
    "pooled t, point (rejected)": pooled_t,
}


def measure_sweeps(model: Model, generator: np.random.Generator) -> tuple[float, float, float]:
    """Three shares: of unchanged sweeps those without any alarm, in either direction; and, where some cases get slower
    by 10 %, of these those found, and of the others those called changed."""
    quiet, found, false_alarms = 0, 0, 0
    for _ in range(SWEEPS):
        noise = model(generator, SWEEP_CASES)
        base, new = noise[:, :LAUNCHES], noise[:, LAUNCHES:]
        verdicts = [item.verdict for item in judge(welch_ratios(base, new), THRESHOLD)]
        quiet += not {"slower", "faster"} & set(verdicts)
        new[:SLOWED] *= 1.10
        verdicts = [item.verdict for item in judge(welch_ratios(base, new), THRESHOLD)]
        found += verdicts[:SLOWED].count("slower")
        false_alarms += sum(verdict in ("slower", "faster") for verdict in verdicts[SLOWED:])
    return quiet / SWEEPS, found / (SWEEPS * SLOWED), false_alarms / (SWEEPS * (SWEEP_CASES - SLOWED))


def measure(rule: Rule, noise: np.ndarray, threshold: float, alternate: bool = False) -> list[float]:
    """The share of pairs called slower, for every change."""
    base, new = (noise[:, 0::2], noise[:, 1::2]) if alternate else (noise[:, :LAUNCHES], noise[:, LAUNCHES:])
    return [float(np.mean(rule(base, new * (1 + change), threshold))) for change in CHANGES]


def print_table(title: str, first: str, rows: dict[str, dict[str, list[float]]]) -> None:
    """A Markdown table: a row a noise model and rule, a column a change."""
    header = " | ".join(f"{100 * change:.0f} % slower" for change in CHANGES)
    print(f"\n{title}\n\n| noise | {first} | {header} |")
    print("|---|---|" + "---:|" * len(CHANGES))
    for model, rules in rows.items():
        for rule, shares in rules.items():
            print(f"| {model} | {rule} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")


def print_sweeps(rows: dict[str, tuple[float, float, float]]) -> None:
    """A Markdown table: a row a noise model."""
    print(f"\n{SWEEPS} sweeps of {SWEEP_CASES} cases, threshold 5 %: unchanged, and with {SLOWED} cases 10 % slower\n")
    print("| noise | unchanged sweeps without any alarm | slower ones found | false alarms among the others |")
    print("|---|---:|---:|---:|")
    for model, shares in rows.items():
        print(f"| {model} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    generator = np.random.default_rng(options.seed)
    noises = {name: model(generator, options.pairs) for name, model in MODELS.items()}
    rows = {
        name: {label: measure(rule, noise, THRESHOLD) for label, rule in RULES.items()}
        for name, noise in noises.items()
    }
    pairs = {
        name: {
            "alternating, paired": measure(scalemark_paired, noise, PAIRED_THRESHOLD, alternate=True),
            "one after the other": measure(scalemark_alone, noise, PAIRED_THRESHOLD),
        }
        for name, noise in noises.items()
    }
    print_table(f"Called slower, threshold 5 %, five launches a side, {options.pairs:,} pairs", "rule", rows)
    print_table("Called slower, threshold 2 %", "measured", pairs)
    print_sweeps({name: measure_sweeps(model, generator) for name, model in MODELS.items()})
    missed = find_missed(rows, pairs)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return int(bool(missed))


def find_missed(rows: dict[str, dict[str, list[float]]], pairs: dict[str, dict[str, list[float]]]) -> list[str]:
    """The targets that our own rule misses."""
    missed = []
    for model, rules in rows.items():
        for rule, shares in rules.items():
            if rule.startswith("scalemark"):
                if shares[0] > MOST_FALSE_ALARMS:
                    missed.append(f"{model}: {rule}: {shares[0]:.1%} false alarms")
                for change, share in zip(CHANGES, shares, strict=True):
                    if share < TARGETS.get((model, change), 0):
                        missed.append(f"{model}: {rule}: a change of {change:.0%} found in {share:.1%}")
    found = pairs["slow drift"]["alternating, paired"][CHANGES.index(0.05)]
    if found < PAIRED_TARGET:
        missed.append(f"slow drift: paired: a change of 5% found in {found:.1%}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
