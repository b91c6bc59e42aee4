import numpy as np
import pytest

from harness.analyse.laws.models import PMNF, USL_STRONG, laws_of

RANKS = np.array([1.0, 2.0, 3.0, 8.0])
# coefficients and, from the law's own formula, the speed-up it stands for
SPEEDUPS = {
    "amdahl": ("strong", [0.1, 0.9], 1 / (0.1 + 0.9 / RANKS)),
    "gustafson": ("weak", [0.2, 0.8], 0.2 + 0.8 * RANKS),
    "usl": ("strong", [1.0, 0.1, 0.01], RANKS / (1 + 0.1 * (RANKS - 1) + 0.01 * RANKS * (RANKS - 1))),
}


@pytest.mark.parametrize("name", SPEEDUPS)
def test_a_law_is_the_speedup_of_its_paper(name):
    mode, coefficients, speedup = SPEEDUPS[name]
    (law,) = (law for law in laws_of(mode) if law.name == name)
    response = law.columns(RANKS) @ np.array(coefficients)
    times_s = law.respond(RANKS, response)
    grown = RANKS if mode == "weak" else 1.0
    assert grown / times_s == pytest.approx(speedup)


def test_parameters_are_those_of_the_papers():
    amdahl, gustafson = (SPEEDUPS[name][1] for name in ("amdahl", "gustafson"))
    laws = {law.name: law for mode in ("strong", "weak") for law in laws_of(mode)}
    assert laws["amdahl"].parameters(np.array(amdahl)) == pytest.approx({"t1_s": 1.0, "f": 0.1})
    assert laws["gustafson"].parameters(np.array(gustafson)) == pytest.approx({"t1_s": 1.0, "s": 0.2})
    usl = USL_STRONG.parameters(np.array([2.0, 0.2, 0.02]))
    assert usl == pytest.approx({"t1_s": 2.0, "sigma": 0.1, "kappa": 0.01, "peak_ranks": np.sqrt(90)})


def test_the_normal_form_has_the_42_terms_of_its_paper_and_each_is_what_its_formula_says():
    assert len({law.formula for law in PMNF}) == 42
    terms = {law.formula: law.columns(np.array([8.0]))[0, 1] for law in PMNF}
    assert terms["T = c0 + c1 log2(p)^2"] == pytest.approx(9)
    assert terms["T = c0 + c1 p^(2/3)"] == pytest.approx(4)
    assert terms["T = c0 + c1 p log2(p)"] == pytest.approx(24)
