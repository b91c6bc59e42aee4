import msgspec
import numpy as np
import pytest

from harness.analyse.laws.choice import fit_laws

RANKS = (1, 2, 4, 8, 16, 32)
PLANTED = {
    "constant": ("weak", lambda p: 1e-3, {"t_s": 1e-3}),
    "amdahl": ("strong", lambda p: 0.05 + 0.95 / p, {"t1_s": 1.0, "f": 0.05}),
    "gustafson": ("weak", lambda p: p / (0.2 + 0.8 * p), {"t1_s": 1.0, "s": 0.2}),
    "usl": (
        "strong",
        lambda p: (1 + 0.05 * (p - 1) + 0.002 * p * (p - 1)) / p,
        {"t1_s": 1.0, "sigma": 0.05, "kappa": 0.002, "peak_ranks": np.sqrt(0.95 / 0.002)},
    ),
    "pmnf": ("none", lambda p: 1e-5 + 2e-6 * np.log2(p), {"c0_s": 1e-5, "c1_s": 2e-6}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_law_is_chosen_and_its_parameters_lie_within_their_intervals(plant, name):
    mode, time_s, truth = PLANTED[name]
    chosen, held = 0, []
    for seed in range(30):
        (law,) = fit_laws(plant({p: time_s(p) for p in RANKS}, mode, seed=seed), replicates=200)
        if law.law == name:
            chosen += 1
            held += [found.low <= truth[found.name] <= found.high for found in law.parameters]
            assert {found.name for found in law.parameters} == set(truth)
    assert chosen >= 27
    assert np.mean(held) >= 0.85


def test_a_law_tells_its_range_and_errors(plant):
    (law,) = fit_laws(plant({p: 0.05 + 0.95 / p for p in RANKS}, effect=1e-6))
    assert law.points == list(RANKS)
    assert law.residual < 1e-5
    assert law.leave_one_out_error < 1e-4 < law.constant_error
    assert (law.over, law.message) == ("ranks", "")


@pytest.mark.parametrize(
    ("points", "launches", "message"),
    [
        (2, 5, "2 points, a law needs 3: measure 1 more rank or node count"),
        (3, 1, "1 launch at a point, a law needs 2: sweep with --repeats 2"),
    ],
)
def test_too_few_points_or_launches_are_refused_with_what_is_missing(plant, points, launches, message):
    (law,) = fit_laws(plant(dict.fromkeys(RANKS[:points], 1.0), launches=launches))
    assert (law.law, law.message, law.parameters) == ("", message, [])


def test_laws_that_need_more_points_are_named(plant):
    (law,) = fit_laws(plant({p: 0.05 + 0.95 / p for p in (1, 2, 4)}))
    assert law.law == "amdahl"
    assert law.message == "pmnf needs 5 points: 2 more; usl needs 4 points: 1 more"


def test_wrong_answers_are_no_points(plant):
    rows = plant({p: 1.0 / p for p in (1, 2, 4)})
    rows[1] = msgspec.structs.replace(rows[1], check_passed=False)
    (law,) = fit_laws(rows)
    assert law.message.startswith("2 points")


def test_alpha_and_beta_come_from_message_sizes(plant_sizes):
    laws = fit_laws(plant_sizes(2e-6, 2.5e-10, effect=1e-6))
    assert [law.over for law in laws] == ["message_bytes"]
    alpha, beta = laws[0].parameters
    assert (alpha.name, alpha.value) == ("alpha_s", pytest.approx(2e-6, rel=1e-4))
    assert (beta.name, beta.value) == ("beta_s_per_byte", pytest.approx(2.5e-10, rel=1e-4))
    assert alpha.low <= alpha.value <= alpha.high
    assert laws[0].points == [8, 1024, 65536, 1048576]


def test_two_message_sizes_are_too_few(plant_sizes):
    (law,) = fit_laws(plant_sizes(2e-6, 2.5e-10, sizes=(8, 1024)))
    assert law.message == "2 points, a law needs 3: measure 1 more message size"
