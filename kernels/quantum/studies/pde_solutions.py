"""The two equations that ``quantum_pde`` learns, solved to more digits than any network here gets right.

Burgers: ``u_t + u u_x / 2 = v u_xx`` on a ring of length 10 for times 0 to 8, from the Gaussian ``exp(-(x - 3)^2 / 2)``
and its images around the ring. Poisson: ``-(u_xx + u_yy) = sin(pi x) sin(pi y)`` on the unit square, ``u = 0`` where x
is 0 or 1 or y is 0, ``u_y = 0`` where y is 1. Each has a second, independent solution to be checked against.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from kernels.api import InputError
from kernels.quantum.circuits.arrays import Reals

LENGTH, DURATION = 10.0, 8.0
ADVECTION = 0.5

# images of the Gaussian farther away than this are below 1e-100
_IMAGES = np.arange(-3, 4)
_FEWEST_POINTS, _MOST_POINTS = 128, 4096
_CONVERGED = 1e-9
_QUADRATURE_POINTS = 4000


def solve_burgers(viscosity: float, positions: Reals, times: Reals) -> Reals:
    """``u`` of shape (times, positions); ``times`` are equidistant and begin with 0.

    The grid and the time step are refined until two solutions agree to 1e-9; raises `InputError` when 4096 points are
    too few, as they are for a viscosity far below 0.01.
    """
    points = _FEWEST_POINTS
    coarse = _spectral_solution(viscosity, points, positions, times)
    while points < _MOST_POINTS:
        points *= 2
        fine = _spectral_solution(viscosity, points, positions, times)
        if np.abs(fine - coarse).max() < _CONVERGED:
            return fine
        coarse = fine
    raise InputError(
        f"Burgers: found viscosity {viscosity}; {points} points do not resolve its shock, use a larger one"
    )


def _spectral_solution(viscosity: float, points: int, positions: Reals, times: Reals) -> Reals:
    """Fourier modes without aliases (Orszag's two thirds), Runge-Kutta of order 4 with diffusion integrated exactly.

    Canuto et al., "Spectral Methods: Fundamentals in Single Domains" (2006), sections 3.3.2 and D.2.2.
    """
    wavenumbers = 2 * pi / LENGTH * np.arange(points // 2 + 1)
    kept = wavenumbers < 2 / 3 * wavenumbers[-1]
    substeps = points // 8
    step = (times[1] - times[0]) / substeps
    half = np.exp(-viscosity * wavenumbers**2 * step / 2)

    def advect(modes: NDArray[np.complex128]) -> NDArray[np.complex128]:
        field = np.fft.irfft(modes, points)
        return -0.5j * ADVECTION * step * kept * wavenumbers * np.fft.rfft(field * field)

    modes = np.fft.rfft(initial_velocity(LENGTH * np.arange(points) / points))
    snapshots = [modes]
    for _ in range(1, len(times)):
        for _ in range(substeps):
            first = advect(modes)
            second = advect(half * (modes + first / 2))
            third = advect(half * modes + second / 2)
            fourth = advect(half * (half * modes + third))
            modes = half * (half * (modes + first / 6) + (second + third) / 3) + fourth / 6
        snapshots.append(modes)
    waves = np.exp(1j * wavenumbers[:, None] * positions)
    # every mode but the mean stands for itself and its conjugate
    weights = np.where(wavenumbers > 0, 2.0, 1.0) / points
    return ((np.array(snapshots) * weights * kept) @ waves).real


def initial_velocity(positions: Reals) -> Reals:
    """The Gaussian about 3 and its images."""
    return np.exp(-((positions[..., None] - 3 - LENGTH * _IMAGES) ** 2) / 2).sum(axis=-1)


def cole_hopf(viscosity: float, positions: Reals, times: Reals) -> Reals:
    """``u`` of shape (times, positions) in closed form: the equation becomes that of heat, whose kernel is known.

    Hopf, Comm. Pure Appl. Math. 3, 201 (1950), equations 5 to 9, for the velocity ``u / 2``. The integrands are smooth
    and vanish, so equidistant points integrate them to rounding.
    """
    return np.stack([_cole_hopf_at(viscosity, positions, time) for time in times])


def _cole_hopf_at(viscosity: float, positions: Reals, time: float) -> Reals:
    if time == 0:
        return initial_velocity(positions)
    reach = 12 * np.sqrt(2 * viscosity * time) + 2 * ADVECTION * time
    offsets = np.linspace(-reach, reach, _QUADRATURE_POINTS)
    sources = (positions[:, None] + offsets - 3) / np.sqrt(2)
    potentials = ADVECTION * np.sqrt(pi / 2) * sum(erf(sources - image * LENGTH / np.sqrt(2)) for image in _IMAGES)
    exponents = -(offsets**2) / (4 * viscosity * time) - potentials / (2 * viscosity)
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return -(weights @ offsets) / weights.sum(axis=1) / time / ADVECTION


def solve_poisson(x: Reals, y: Reals) -> Reals:
    """``u = sin(pi x) (sin(pi y) + sinh(pi y) / cosh(pi)) / (2 pi^2)``, at points of any shape."""
    return np.sin(pi * x) * (np.sin(pi * y) + np.sinh(pi * y) / np.cosh(pi)) / (2 * pi**2)


def collocate_poisson(x: Reals, y: Reals) -> Reals:
    """The same by Chebyshev collocation of ``pi^2 g - g'' = sin(pi y)``, ``g(0) = 0``, ``g'(1) = 0``, with
    ``u = sin(pi x) g(y)`` (Canuto et al., section 3.7).
    """
    from numpy.polynomial import Chebyshev

    degree = 24
    basis = [Chebyshev.basis(k, domain=[0, 1]) for k in range(degree + 1)]
    nodes = (1 + np.cos(pi * (2 * np.arange(degree - 1) + 1) / (2 * degree - 2))) / 2
    rows = np.array([pi**2 * term(nodes) - term.deriv(2)(nodes) for term in basis]).T
    ends = np.array([[term(0.0), term.deriv()(1.0)] for term in basis]).T
    right = np.append(np.sin(pi * nodes), [0.0, 0.0])
    coefficients = np.linalg.solve(np.concatenate([rows, ends]), right)
    return np.sin(pi * x) * Chebyshev(coefficients, domain=[0, 1])(y)
