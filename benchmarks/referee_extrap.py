"""Extra-P as referee: the same synthetic times to Extra-P and to our performance model normal form.

    python3 -m venv extrap && extrap/bin/pip install extrap==4.2.5
    python benchmarks/referee_extrap.py --extrap extrap/bin/python [--effect 0.01] [--launches 5] [--seed 0]

Extra-P lives in an environment of its own, for it needs another NumPy. Prints a Markdown table; the exit code is 1 when
the models differ by more than 5 % anywhere within the measured range.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from harness.analyse.laws.choice import fit_laws
from harness.analyse.laws.fitting import predict
from harness.analyse.laws.models import laws_of
from harness.analyse.scaling import TableRow

RANKS = (1, 2, 4, 8, 16, 32)
DIFFERENCE = 0.05
PLANTED = {
    "1e-3": lambda p: 1e-3 + 0 * p,
    "1e-5 + 2e-6 log2(p)": lambda p: 1e-5 + 2e-6 * np.log2(p),
    "1e-2 + 2e-3 p": lambda p: 1e-2 + 2e-3 * p,
    "1e-2 + 1e-3 p log2(p)": lambda p: 1e-2 + 1e-3 * p * np.log2(p),
    "1e-2 + 2e-3 p^(3/2)": lambda p: 1e-2 + 2e-3 * p**1.5,
    "1e-1 + 1e-4 p^2": lambda p: 1e-1 + 1e-4 * p**2,
    "1e-4 + 1e-4 p^(1/3)": lambda p: 1e-4 + 1e-4 * p ** (1 / 3),
}

# what runs in Extra-P's environment: times in, its model's words and its values at the same points out
REFEREE = """
import json, sys
from extrap.entities.callpath import Callpath
from extrap.entities.coordinate import Coordinate
from extrap.entities.experiment import Experiment
from extrap.entities.measurement import Measurement
from extrap.entities.metric import Metric
from extrap.entities.parameter import Parameter
from extrap.modelers.model_generator import ModelGenerator

answers = []
for times in json.load(sys.stdin):
    experiment, place, metric = Experiment(), Callpath("step"), Metric("time")
    experiment.add_parameter(Parameter("p"))
    experiment.add_callpath(place)
    experiment.add_metric(metric)
    for ranks, launches in times:
        coordinate = Coordinate(ranks)
        experiment.add_coordinate(coordinate)
        experiment.add_measurement(Measurement(coordinate, place, metric, launches))
    generator = ModelGenerator(experiment, use_median=False)
    generator.model_all()
    (model,) = generator.models.values()
    function = model.hypothesis.function
    answers.append([str(function), [float(function.evaluate(ranks)) for ranks, _ in times]])
print(json.dumps(answers))
"""


def make_launches(effect: float, launches: int, seed: int) -> list[list[tuple[int, list[float]]]]:
    """Times of every planted law: of each number of ranks, one median a launch, in seconds."""
    generator = np.random.default_rng(seed)
    return [
        [
            (ranks, (time_s(np.float64(ranks)) * np.exp(effect * generator.standard_normal(launches))).tolist())
            for ranks in RANKS
        ]
        for time_s in PLANTED.values()
    ]


def ask_extrap(python: str, times: Sequence[object]) -> list[tuple[str, list[float]]]:
    """Extra-P's models, in words, and their values at the measured points."""
    done = subprocess.run([python, "-c", REFEREE], input=json.dumps(times), capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def ask_ourselves(times: Sequence[tuple[int, list[float]]]) -> tuple[str, np.ndarray]:
    """Our law where no scaling mode brings further ones, in words, and its values at the measured points."""
    rows = [
        TableRow(
            sweep="referee",
            case_id=f"planted.n1r{ranks}",
            kernel="planted",
            backend="none",
            parameters={},
            nodes=1,
            ranks=ranks,
            threads=1,
            stack="bare",
            status="ok",
            median_s=float(np.median(launches)),
            launch_median_s=launches,
        )
        for ranks, launches in times
    ]
    (law,) = fit_laws(rows, replicates=0)
    (model,) = (model for model in laws_of("none") if model.formula == law.formula)
    values = np.array([parameter.value for parameter in law.parameters])
    term = law.formula.partition(" c1 ")[2]
    words = f"{values[0]:.3g}" + (f" + {values[1]:.3g} {term}" if term else "")
    return words, predict(model, np.array(RANKS, float), values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extrap", required=True, metavar="PYTHON", help="Python of an environment that has Extra-P")
    parser.add_argument("--effect", type=float, default=0.01, help="standard deviation of launches, relative")
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    times = make_launches(options.effect, options.launches, options.seed)
    print("| planted | Extra-P | ours | largest difference |\n| --- | --- | --- | --- |")
    worst = 0.0
    for planted, own, (words, found) in zip(PLANTED, times, ask_extrap(options.extrap, times), strict=True):
        our_words, ours = ask_ourselves(own)
        difference = float(np.max(np.abs(ours / np.array(found) - 1)))
        worst = max(worst, difference)
        print(f"| {planted} | {words} | {our_words} | {100 * difference:.1f} % |")
    return int(worst > DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
