"""The tensile specimen as finite elements: a dog-bone of four-node plane-stress quadrilaterals, 2×2 Gauss points each.

A strip is cut at an angle to the rolling direction and pulled in its clamps. At 0° and 90° both of its middle lines are
lines of symmetry and a quarter of it is enough. At 45° an orthotropic sheet shears as it stretches, unless r00 = r90:
only the half turn about the middle is left, u(−x) = −u(x), which makes the half beyond the cut x = 0 superfluous.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# a sheet specimen of 12.5 mm by 50 mm, clamped 10 mm behind its shoulders
GAUGE_HALF_LENGTH_M = 0.025
GAUGE_HALF_WIDTH_M = 0.00625
# the gauge widens by so much towards its ends: where it stretches most depends on how the material hardens
GAUGE_TAPER = 0.02
PARALLEL_HALF_LENGTH_M = 0.0285
SHOULDER_RADIUS_M = 0.0125
GRIP_HALF_WIDTH_M = 0.01
GRIP_LENGTH_M = 0.01

# elements along the gauge's half, the rest of the parallel length, the shoulder and the grip, and across the half width
COLUMNS = (6, 1, 4, 2)
ROWS = 3

_GAUSS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / np.sqrt(3)
_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])

PRESCRIBED = -1


class Specimen(NamedTuple):
    """A mesh with its supports. Lengths are in metres, the thickness is one.

    A degree of freedom of a node is ``sign``·u[``equation``] + ``lift``·(the clamp's displacement); its equation is
    `PRESCRIBED` where the support says all. ``strain_displacement`` gives (εx, εy, γxy) along and across the tension.
    """

    nodes: Array  # [nodes, 2]
    elements: Integers  # [elements, 4], counter-clockwise
    equation: Integers  # [elements, 8]: u_x, u_y of the first node, of the second ...
    sign: Array  # [elements, 8]
    lift: Array  # [elements, 8]
    strain_displacement: Array  # [elements, 4, 3, 8], 1/m
    area: Array  # [elements, 4], m², of each Gauss point
    gauge: Integers  # [gauge elements]
    angle_deg: float  # of the tension to the rolling direction

    @property
    def equations(self) -> int:
        """How many unknown displacements there are."""
        return int(self.equation.max()) + 1

    @property
    def half_bandwidth(self) -> int:
        """How far from the diagonal the stiffness matrix reaches."""
        free = np.where(self.equation >= 0, self.equation, self.equation.max(axis=1, keepdims=True))
        return int((free.max(axis=1) - free.min(axis=1)).max())

    def elastic_displacement(self, poisson: float) -> Array:
        """The unknowns, [equations], per displacement of the clamp while all is elastic: Young's modulus cancels."""
        stiffness, force = np.zeros((self.equations + 1,) * 2), np.zeros(self.equations + 1)
        elasticity = np.array([[1, poisson, 0], [poisson, 1, 0], [0, 0, (1 - poisson) / 2]])
        matrices = self.strain_displacement
        by_element = np.einsum("egia,ij,egjb,eg->eab", matrices, elasticity, matrices, self.area)
        by_element *= np.where(self.equation >= 0, self.sign, 1.0)[:, :, None]
        # the row and column of all prescribed displacements come last and are left out
        np.add.at(force, self.equation, np.einsum("eab,eb->ea", by_element, self.lift))
        by_element *= self.sign[:, None, :]
        np.add.at(stiffness, (self.equation[:, :, None], self.equation[:, None, :]), by_element)
        return np.linalg.solve(stiffness[:-1, :-1], -force[:-1]).astype(np.float64)

    @property
    def material_strain_displacement(self) -> Array:
        """`strain_displacement` in the axes of orthotropy, [elements, 4, 3, 8], 1/m."""
        return rotation(self.angle_deg) @ self.strain_displacement


def rotation(angle_deg: float) -> Array:
    """[3, 3]: strains (εx, εy, γxy) along and across a tension at that angle, to the axes of orthotropy."""
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[c * c, s * s, -c * s], [s * s, c * c, c * s], [2 * c * s, -2 * c * s, c * c - s * s]])


def dog_bone(angle_deg: float, part: Literal["quarter", "half", "whole"], refinement: int = 1) -> Specimen:
    """The specimen, or the part of it that its symmetry leaves: x along the tension from the middle, y across.

    ``refinement`` cuts every element's side into so many. The gauge elements are those of the quarter x, y > 0, from
    the middle outwards and then from the middle line to the edge. Columns are numbered one after the other, so that
    the stiffness matrix is narrow.
    """
    along = _stations(refinement)
    across = np.linspace(0, 1, ROWS * refinement + 1)
    if part != "quarter":
        across = np.concatenate([-across[:0:-1], across])
    if part == "whole":
        along = np.concatenate([-along[:0:-1], along])
    nodes = np.stack(np.broadcast_arrays(along[:, None], _half_width(np.abs(along))[:, None] * across), axis=-1)
    columns, rows = len(along), len(across)
    number = np.arange(columns * rows).reshape(columns, rows)
    corners = (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
    elements = np.stack(corners, axis=-1).reshape(-1, 4)
    middle = nodes.reshape(-1, 2)[elements].mean(axis=1)
    gauge = np.flatnonzero((middle > 0).all(axis=1) & (middle[:, 0] < GAUGE_HALF_LENGTH_M))
    return assemble(nodes.reshape(-1, 2), elements, *_supports(number, part), gauge, angle_deg)


def assemble(
    nodes: Array, elements: Integers, equation: Integers, sign: Array, lift: Array, gauge: Integers, angle_deg: float
) -> Specimen:
    """A specimen of any mesh; ``equation``, ``sign`` and ``lift`` are [nodes, 2]."""
    matrices, area = _strain_displacement(nodes[elements])
    shape = (len(elements), 8)
    return Specimen(
        nodes,
        elements,
        equation[elements].reshape(shape),
        sign[elements].reshape(shape),
        lift[elements].reshape(shape),
        matrices,
        area,
        gauge,
        angle_deg,
    )


def _stations(refinement: int) -> Array:
    """Where the mesh lines across stand, from the middle of the specimen to its clamp."""
    rise = SHOULDER_RADIUS_M - (GRIP_HALF_WIDTH_M - _half_width(np.array([PARALLEL_HALF_LENGTH_M]))[0])
    shoulder = PARALLEL_HALF_LENGTH_M + np.sqrt(SHOULDER_RADIUS_M**2 - rise**2)
    ends = np.array([0, GAUGE_HALF_LENGTH_M, PARALLEL_HALF_LENGTH_M, shoulder, shoulder + GRIP_LENGTH_M])
    pieces = [
        np.linspace(start, end, count * refinement + 1)[1:]
        for start, end, count in zip(ends[:-1], ends[1:], COLUMNS, strict=True)
    ]
    return np.concatenate([[0.0], *pieces])


def _half_width(x: Array) -> Array:
    """Of the specimen at a distance from its middle, in metres."""
    parallel = GAUGE_HALF_WIDTH_M * (1 + GAUGE_TAPER * np.minimum(x / GAUGE_HALF_LENGTH_M, 1) ** 2)
    beyond = np.clip(x - PARALLEL_HALF_LENGTH_M, 0, SHOULDER_RADIUS_M)
    arc = SHOULDER_RADIUS_M - np.sqrt(SHOULDER_RADIUS_M**2 - beyond**2)
    return np.minimum(parallel + arc, GRIP_HALF_WIDTH_M)


def _supports(number: Integers, part: str) -> tuple[Integers, Array, Array]:
    """Equation, sign and lift of every node's displacements, [nodes, 2]."""
    columns, rows = number.shape
    free = np.ones((columns, rows, 2), bool)
    sign, lift = np.ones((columns, rows, 2)), np.zeros((columns, rows, 2))
    free[-1] = False
    lift[-1, :, 0] = 1
    if part == "whole":
        free[0] = False
        lift[0, :, 0] = -1
    if part == "quarter":
        free[0, :, 0] = False
        free[:, 0, 1] = False
    if part == "half":
        free[0, : rows // 2 + 1] = False
    equation = np.full(free.shape, PRESCRIBED)
    equation[free] = np.arange(free.sum())
    if part == "half":
        # below the middle of the cut, what is above it turned by half a turn
        equation[0, : rows // 2] = equation[0, : rows // 2 : -1]
        sign[0, : rows // 2] = -1
    sign[equation == PRESCRIBED] = 0
    return equation.reshape(-1, 2), sign.reshape(-1, 2), lift.reshape(-1, 2)


def _strain_displacement(corners: Array) -> tuple[Array, Array]:
    """Of four-node isoparametric elements with corners [elements, 4, 2]: B [elements, 4, 3, 8] and the areas.

    T. J. R. Hughes, "The Finite Element Method" (1987), section 3.2 and equation (3.10.6).
    """
    xi, eta = _GAUSS[:, :1], _GAUSS[:, 1:]
    local = np.stack([_CORNERS[:, 0] * (1 + eta * _CORNERS[:, 1]), _CORNERS[:, 1] * (1 + xi * _CORNERS[:, 0])]) / 4
    jacobian = np.einsum("dgn,enc->egdc", local, corners)
    slopes = np.linalg.solve(jacobian, np.einsum("dgn->gdn", local)[None])
    matrices = np.zeros((*slopes.shape[:2], 3, 8))
    matrices[..., 0, 0::2] = matrices[..., 2, 1::2] = slopes[..., 0, :]
    matrices[..., 1, 1::2] = matrices[..., 2, 0::2] = slopes[..., 1, :]
    return matrices, np.linalg.det(jacobian)
