from __future__ import annotations

import numpy as np
import pytest

from kernels.api import InputError
from kernels.quantum.studies import pde_solutions
from kernels.quantum.studies.pde_solutions import (
    DURATION,
    LENGTH,
    cole_hopf,
    collocate_poisson,
    initial_velocity,
    solve_burgers,
    solve_poisson,
)

POSITIONS, TIMES = np.linspace(0, LENGTH, 11), np.linspace(0, DURATION, 5)


@pytest.mark.parametrize("viscosity", [0.3, 0.05])
def test_the_spectral_solution_is_that_of_cole_and_hopf(viscosity: float):
    found = solve_burgers(viscosity, POSITIONS, TIMES)
    np.testing.assert_allclose(found, cole_hopf(viscosity, POSITIONS, TIMES), atol=1e-9, rtol=0)
    np.testing.assert_allclose(found[0], initial_velocity(POSITIONS), atol=1e-12, rtol=0)


def test_the_closed_form_obeys_burgers_equation():
    viscosity, step = 0.2, 1e-3
    at = np.linspace(1, 8, 7)
    u = cole_hopf(viscosity, np.stack([at - step, at, at + step], axis=1).ravel(), np.array([2 - step, 2.0, 2 + step]))
    u = u.reshape(3, -1, 3)
    u_t, u_x = (u[2, :, 1] - u[0, :, 1]) / (2 * step), (u[1, :, 2] - u[1, :, 0]) / (2 * step)
    u_xx = (u[1, :, 2] - 2 * u[1, :, 1] + u[1, :, 0]) / step**2
    np.testing.assert_allclose(u_t + 0.5 * u[1, :, 1] * u_x, viscosity * u_xx, atol=1e-6, rtol=0)


def test_a_shock_too_steep_for_the_finest_grid_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pde_solutions, "_MOST_POINTS", 256)
    with pytest.raises(InputError, match=r"found viscosity 0.01; 256 points do not resolve"):
        solve_burgers(0.01, POSITIONS, TIMES)


def test_poissons_closed_form_is_what_collocation_finds():
    x, y = np.random.default_rng(0).random((2, 50))
    np.testing.assert_allclose(solve_poisson(x, y), collocate_poisson(x, y), atol=1e-14, rtol=0)
    # SYSTEMS.md, card h, which cuts the last digit off
    axis = np.linspace(0, 1, 1001)
    assert solve_poisson(0.5, axis).max() == pytest.approx(0.062253, abs=1e-6)
