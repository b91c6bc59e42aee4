import numpy as np

from kernels.material.cards import LABEL_RANGES, YIELD_PA, draw_cards, law


def test_cards_lie_in_their_ranges_and_follow_the_seed():
    cards = draw_cards(40, np.random.default_rng(3))
    for column, (low, high) in zip(cards.T, LABEL_RANGES.values(), strict=True):
        assert low <= column.min() < column.max() <= high
    assert np.array_equal(cards, draw_cards(40, np.random.default_rng(3)))
    assert not np.array_equal(cards, draw_cards(40, np.random.default_rng(4)))


def test_flow_curve_is_swift_s_from_the_same_initial_yield():
    card = law(np.array([[6, 1, 1, 1, 0.5, 0.8, 1.5, 1.2]]))
    assert card.young_pa == 100e9
    assert card.hardening.yield_stress_pa(np.zeros(1)) == YIELD_PA
    expected = 200e6 + 0.8 * 500e6 * ((0.015 + 0.05) ** 0.36 - 0.015**0.36)
    np.testing.assert_allclose(card.hardening.yield_stress_pa(np.array([0.05])), expected, rtol=1e-14)
    values = [card.hardening.yield_stress_pa(np.array([0.05 + step])) for step in (1e-7, -1e-7)]
    np.testing.assert_allclose(
        card.hardening.value_and_slope_pa(np.array([0.05]))[1], (values[0] - values[1]) / 2e-7, rtol=1e-6
    )
