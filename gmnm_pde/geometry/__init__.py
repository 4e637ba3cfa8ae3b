"""Domains, their boundaries with outward normals, and how both are sampled."""

from gmnm_pde.geometry.boxes import Box, Interval, Rectangle
from gmnm_pde.geometry.corners import Corners
from gmnm_pde.geometry.csg import Difference, Intersection, Union
from gmnm_pde.geometry.cylinder import Cylinder
from gmnm_pde.geometry.domain import Boundary, Domain
from gmnm_pde.geometry.polygon import Polygon
from gmnm_pde.geometry.round import Ball, Disk, Ellipse
from gmnm_pde.geometry.samplers import SAMPLERS
from gmnm_pde.geometry.split import Within, locate, nudge, split

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
    "Intersection",
    "Interval",
    "Polygon",
    "Rectangle",
    "Union",
    "Within",
    "locate",
    "nudge",
    "split",
]
