"""Domains, their boundaries with outward normals, and how both are sampled."""

from gmnm_pde.geometry.boxes import Box, Interval, Rectangle
from gmnm_pde.geometry.corners import Corners
from gmnm_pde.geometry.csg import Difference, Intersection, Union
from gmnm_pde.geometry.cylinder import Cylinder
from gmnm_pde.geometry.domain import Boundary, Domain
from gmnm_pde.geometry.faceted import Faceted
from gmnm_pde.geometry.mesh import Mesh
from gmnm_pde.geometry.polygon import Polygon, buffered
from gmnm_pde.geometry.round import Ball, Disk, Ellipse
from gmnm_pde.geometry.samplers import SAMPLERS
from gmnm_pde.geometry.split import Within, locate, nudge, split
from gmnm_pde.geometry.surface import Surface

__all__ = [
    "SAMPLERS",
    "Ball",
    "Boundary",
    "Box",
    "Corners",
    "Cylinder",
    "Difference",
    "Disk",
    "Domain",
    "Ellipse",
    "Faceted",
    "Intersection",
    "Interval",
    "Mesh",
    "Polygon",
    "Rectangle",
    "Surface",
    "Union",
    "Within",
    "buffered",
    "locate",
    "nudge",
    "split",
]
