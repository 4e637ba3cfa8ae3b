"""The moving picture of a problem in two dimensions and time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gmnm_pde.report.mesh import Array
from gmnm_pde.report.moments import at_times, times_of
from gmnm_pde.report.panels import FLAT, FieldPanel, panel_grid
from gmnm_pde.report.planes import domain_raster
from gmnm_pde.report.sample import SolutionLike, sample
from gmnm_pde.report.style import Head, field_scale
from gmnm_pde.report.words import moment, moments

FRAMES = 40
SECONDS = 4.0
FEWEST, MOST = 1_600, 3_600
"""Points at each time, by how long they take: WORK is units times points of all frames."""

WORK = 8e7

PANELS = {1: 3.2, 2: 2.6}
PANEL = 2.2
"""Width of a panel in inches, by how many there are, and of more."""

WIDE = 5.0
"""The same where they are flat and stand below one another."""

ACROSS = 3
"""Panels side by side, at most."""

DPI = 90
GREYS = 24
ATTEMPTS = ((128, 1, 1.0), (64, 1, 1.0), (32, 1, 1.0), (32, 2, 1.0), (32, 2, 0.6))
"""Steps of a colour map, which frames are kept, and their size: the first for which the file is
not larger than BYTES."""

BYTES = 2_000_000


def write_animation(solution: SolutionLike, path: Path) -> Path:
    """Write every unknown at successive times as an animated GIF."""
    problem = solution.problem
    count = np.clip(WORK / (FRAMES * max(solution.units, 1)), FEWEST, MOST)
    plane = domain_raster(problem, int(count))
    times = times_of(problem, FRAMES)
    values = sample(solution, at_times(plane.points, times), rest=False).values
    fields = values.reshape(len(times), len(plane.points), -1)
    shown = fields[:, plane.inside]
    panels = [
        FieldPanel(
            f"${name}$",
            plane,
            fields[0, :, j],
            field_scale(shown[:, :, j]),
            tuple(problem.coordinates),
        )
        for j, name in enumerate(problem.unknowns)
    ]
    across = ACROSS if plane.shape > FLAT else 1
    rows = [panels[i : i + across] for i in range(0, len(panels), across)]
    width = PANELS.get(len(panels), PANEL) if plane.shape > FLAT else WIDE
    figure = panel_grid(rows, Head(problem.name, moment(times[0])), width)
    layers = ([layer for field in frame.T for layer in plane.layers(field)] for frame in fields)
    grids = ([plane.grid(layer) for layer in frame] for frame in layers)
    frames = _frames(figure, grids, moments(times))
    maps = sorted({panel.scale.colours for panel in panels})
    for levels, every, size in ATTEMPTS:
        kept = frames[::every] if size == 1.0 else [_smaller(f, size) for f in frames[::every]]
        _write(kept, _palette(maps, levels), path)
        if path.stat().st_size <= BYTES:
            break
    return path


def _write(frames: Sequence[Image.Image], palette: Image.Image, path: Path) -> None:
    # One palette for all frames: each would otherwise get its own, and the colours flicker.
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    pause = round(1000 * SECONDS / len(frames))
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=pause, loop=0)


def _smaller(frame: Image.Image, size: float) -> Image.Image:
    return frame.resize((round(size * frame.width), round(size * frame.height)))


def _palette(maps: Sequence[str], levels: int) -> Image.Image:
    """Greys, and steps of the colour maps."""
    greys = np.tile(np.linspace(0, 255, GREYS)[:, None], 3)
    steps = np.linspace(0.0, 1.0, min(levels, (256 - GREYS) // len(maps)))
    colours = [255 * matplotlib.colormaps[name](steps)[:, :3] for name in maps]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, *colours]).round().astype(np.uint8).tobytes())
    return palette


def _frames(
    figure: Figure, grids: Iterable[Sequence[Array]], words: Sequence[str]
) -> list[Image.Image]:
    """The figure with other fields in its images, as many as it has, and the time in its head."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    images = [image for plot in figure.axes for image in plot.images]
    moving: list[Artist] = [*images, figure.texts[1]]
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    frames = []
    for fields, word in zip(grids, words, strict=True):
        canvas.restore_region(still)
        for image, field in zip(images, fields, strict=True):
            image.set_data(field)
        for plot in figure.axes:
            for artist in [*plot.images, *plot.collections, *plot.spines.values()]:
                figure.draw_artist(artist)
        figure.texts[1].set_text(word)
        figure.draw_artist(figure.texts[1])
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    return frames
