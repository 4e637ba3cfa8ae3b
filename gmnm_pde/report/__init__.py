"""Pictures and files that other programs open."""

from gmnm_pde.report.plots import write_pictures
from gmnm_pde.report.vtk import write_vtu

__all__ = ["write_pictures", "write_vtu"]
