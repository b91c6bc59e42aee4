from __future__ import annotations

import numpy as np
import pytest

from kernels.training.identification.surface import ResponseSurface, predict_term_by_term, products


def test_terms_are_all_products_of_at_most_two() -> None:
    assert products(np.array([[2.0, 3.0]]), 2).tolist() == [[1, 2, 3, 4, 6, 9]]
    assert products(np.array([[2.0, 3.0]]), 1).tolist() == [[1, 2, 3]]


def test_a_quadratic_is_found_and_its_gradient_is_zero_there_alone() -> None:
    random = np.random.default_rng(0)
    components, weights = random.normal(size=(3000, 4)), random.normal(size=(15, 2))
    targets = products(components, 2) @ weights
    surface = ResponseSurface(2, components, targets)
    assert surface.weights == pytest.approx(weights, abs=1e-6)
    unseen = random.normal(size=(5, 4))
    assert surface.predict(unseen) == pytest.approx(products(unseen, 2) @ weights, abs=1e-5)
    assert surface.predict(unseen) == pytest.approx(predict_term_by_term(surface, unseen).astype(float), rel=1e-12)
    assert np.abs(surface.gradient(components, targets)).max() < 1e-8
    surface.weights[3, 1] += 1e-3
    assert np.abs(surface.gradient(components, targets)).max() > 1


def test_fewer_records_than_terms_want_a_smoother_surface() -> None:
    random = np.random.default_rng(1)
    components = random.normal(size=(60, 9))
    targets = components[:, :2] + 0.1 * random.normal(size=(60, 2))
    surface = ResponseSurface(2, components[:50], targets[:50])
    surface.choose(components[50:], targets[50:])
    assert 1e-4 <= surface.ridge <= 1
    slope = surface.gradient(components[:50], targets[:50])
    assert np.abs(slope).max() < 1e-8
    many = ResponseSurface(2, components[:50], products(components[:50], 1) @ np.ones((10, 2)))
    many.choose(components[50:], products(components[50:], 1) @ np.ones((10, 2)))
    assert many.ridge < surface.ridge
