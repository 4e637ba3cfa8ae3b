"""The problems of the catalogue in weak form, with the meshes that suit each.

    -div(k grad u) + b u_x + c u = f      in the domain
    u = w on the essential sides,   k u_n + h u = g on the natural ones

Written out in numpy from the mathematics, not derived from the problem files: the comparison with
the problem file's own exact solution then checks both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import log, pi
from typing import Any

import numpy as np
import skfem
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Any]
"""A function of coordinates (d, ...), or of quadrature points as scikit-fem passes them."""

MeshOf = Callable[[int], Any]
"""The mesh with n elements along a side, or of refinement level n."""


@dataclass(frozen=True)
class Weak:
    """A problem in weak form.

    Arguments:
        source: f.
        meshes: a mesh for each kind of element.
        diffusion: k, None for 1; ``wind`` is b and ``reaction`` is c.
        essential: w, None for 0.
        essential_sides: None for the whole boundary.
        natural: (h, g) by side; a side with u_n = 0 is left out.
        sizes: of the meshes, by kind of element; others have a common list.
    """

    source: Function
    meshes: Mapping[str, MeshOf]
    diffusion: Function | None = None
    wind: float = 0.0
    reaction: float = 0.0
    essential: Function | None = None
    essential_sides: tuple[str, ...] | None = None
    natural: Mapping[str, tuple[float, Function]] = field(default_factory=dict)
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def up_to_constant(self) -> bool:
        """Nothing fixes the constant: no essential side, no reaction, no exchange."""
        exchange = any(h for h, _ in self.natural.values())
        return self.essential_sides == () and not self.reaction and not exchange


def square(low: float, high: float) -> dict[str, MeshOf]:
    """Uniform meshes of a square."""

    def nodes(n: int) -> Array:
        return np.linspace(low, high, n + 1)

    return _tensor(nodes, nodes)


def layered(width: float) -> dict[str, MeshOf]:
    """Meshes of the unit square for a layer exp((x - 1)/width): half of the columns lie in it.

    The nodes in the layer divide its height evenly (Bakhvalov); Shishkin's evenly spaced ones
    are ten to a hundred times less accurate at the same size.
    """

    def across(degree: int) -> Callable[[int], Array]:
        scale = (degree + 1) * width

        def nodes(n: int) -> Array:
            half = max(n // 2, 1)
            thickness = min(0.5, scale * log(4 * n))
            layer = 1 + scale * np.log(np.linspace(np.exp(-thickness / scale), 1, half + 1))
            return np.concatenate([np.linspace(0, 1 - thickness, half + 1), layer[1:]])

        return nodes

    def along(n: int) -> Array:
        return np.linspace(0, 1, max(n // 2, 1) + 1)

    return {
        "triangles-4": _tensor(across(4), along)["triangles-4"],
        "quadrilaterals-8": _tensor(across(8), along)["quadrilaterals-8"],
    }


def disk(level: int) -> Any:
    """The unit disk in triangles with quadratic sides, the most curved that scikit-fem offers."""
    return skfem.MeshTri2.init_circle(level)


def lshape(level: int) -> Any:
    """The L-shape, halved four times towards its inner corner for each uniform refinement.

    Near r = 0 elements of degree p give h^(2/3); away from it h^p: the grading balances the two.
    """
    mesh = skfem.MeshTri.init_lshaped().scaled((1.0, -1.0)).refined(level)
    for _ in range(6 + 4 * level):
        corner = np.flatnonzero(np.hypot(*mesh.p) < 1e-14)
        mesh = mesh.refined(np.flatnonzero(np.isin(mesh.t, corner).any(axis=0)))
    return mesh


def cube(n: int) -> Any:
    """The unit cube in n^3 bricks."""
    nodes = np.linspace(0, 1, n + 1)
    return skfem.MeshHex.init_tensor(nodes, nodes, nodes)


def _tensor(x: Callable[[int], Array], y: Callable[[int], Array]) -> dict[str, MeshOf]:
    return {
        "triangles-4": lambda n: skfem.MeshTri.init_tensor(x(n), y(n)).with_defaults(),
        "quadrilaterals-8": lambda n: skfem.MeshQuad.init_tensor(x(n), y(n)).with_defaults(),
    }


def _poisson(x: Array) -> Any:
    return 2 * pi**2 * np.sin(pi * x[0]) * np.sin(pi * x[1])


def _poisson_kan(x: Array) -> Any:
    s = pi * x[1] ** 2
    return np.sin(pi * x[0]) * (pi**2 * (1 + 4 * x[1] ** 2) * np.sin(s) - 2 * pi * np.cos(s))


def _disk(x: Array) -> Any:
    """-lap((1 - r^2) v) = 4 v + 4 (x v_x + y v_y), for the harmonic v = exp(x) cos(y)."""
    v = np.exp(x[0]) * np.cos(x[1])
    v_y = -np.exp(x[0]) * np.sin(x[1])
    return 4 * v + 4 * (x[0] * v + x[1] * v_y)


def _corner(x: Array) -> Any:
    theta = np.arctan2(-x[0] - x[1], x[1] - x[0]) + 3 * pi / 4
    return np.hypot(x[0], x[1]) ** (2 / 3) * np.sin(2 * theta / 3)


def _diffusion(x: Array) -> Any:
    return 1 + x[0] ** 2 + x[1] ** 2 / 2


def _variable_diffusion(x: Array) -> Any:
    """-(k lap u + k_x u_x + k_y u_y) for u = sin(pi x) cos(pi y / 2)."""
    sx, cx = np.sin(pi * x[0]), np.cos(pi * x[0])
    sy, cy = np.sin(pi * x[1] / 2), np.cos(pi * x[1] / 2)
    return (
        1.25 * pi**2 * _diffusion(x) * sx * cy - 2 * x[0] * pi * cx * cy + x[1] * pi / 2 * sx * sy
    )


def _layer(x: Array) -> Any:
    eps = 0.01
    p = x[0] - (np.exp((x[0] - 1) / eps) - np.exp(-1 / eps)) / (1 - np.exp(-1 / eps))
    return np.sin(pi * x[1]) * (1 + eps * pi**2 * p)


def _neumann(x: Array) -> Any:
    return np.cos(pi * x[0]) * np.exp(x[1])


def _robin(x: Array) -> Any:
    return np.exp(x[0]) * np.cos(2 * x[1])


PROBLEMS: dict[str, Weak] = {
    "poisson": Weak(_poisson, square(-1, 1)),
    "poisson-kan": Weak(_poisson_kan, square(-1, 1)),
    "poisson-disk": Weak(
        _disk, {"triangles-4": disk}, sizes={"triangles-4": (1, 2, 3, 4, 5, 6, 7)}
    ),
    "poisson-lshape": Weak(
        lambda x: 0 * x[0],
        {"triangles-4": lshape},
        essential=_corner,
        sizes={"triangles-4": (0, 1, 2, 3, 4, 5, 6, 7)},
    ),
    "poisson-3d": Weak(
        lambda x: 3 * pi**2 * np.sin(pi * x[0]) * np.sin(pi * x[1]) * np.sin(pi * x[2]),
        {"bricks-2": cube},
    ),
    "variable-diffusion": Weak(_variable_diffusion, square(-1, 1), diffusion=_diffusion),
    "convection-diffusion": Weak(_layer, layered(0.01), lambda x: 0.01 + 0 * x[0], wind=1.0),
    # The reaction is -k^2 with k = 1.
    "helmholtz": Weak(
        lambda x: (17 * pi**2 - 1) * np.sin(pi * x[0]) * np.sin(4 * pi * x[1]),
        square(-1, 1),
        reaction=-1.0,
    ),
    "neumann": Weak(
        lambda x: (pi**2 - 1) * _neumann(x),
        square(0, 1),
        essential_sides=(),
        natural={"top": (0.0, _neumann), "bottom": (0.0, lambda x: -_neumann(x))},
    ),
    "robin": Weak(
        lambda x: 3 * _robin(x),
        square(0, 1),
        essential=_robin,
        essential_sides=("left",),
        natural={
            "top": (0.0, lambda x: -2 * np.exp(x[0]) * np.sin(2)),
            "right": (2.0, lambda x: 3 * _robin(x)),
        },
    ),
}
