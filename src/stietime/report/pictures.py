"""Matplotlib figures to images that are part of the page."""

from __future__ import annotations

import base64
import io
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from stietime.report.blocks import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stietime.report.blocks import Link

PIXELS_PER_INCH = 160  # sharp on a good screen and on paper
CSS_PIXELS_PER_INCH = 96
N_COLOURS = 256
N_FREQUENT = 128  # of them by frequency, the others by how much they differ


def encode(figure: Figure, pixels_per_inch: int = PIXELS_PER_INCH) -> str:
    """Draw a figure as a PNG of 256 colours, as a data URI.

    Parameters
    ----------
    figure
        The figure; it is drawn on white.
    pixels_per_inch
        Resolution.
    """
    figure.set_dpi(pixels_per_inch)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    target = io.BytesIO()
    _reduced(np.asarray(canvas.buffer_rgba())[..., :3]).save(target, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode("ascii")


def _reduced(pixels: NDArray[np.uint8]) -> Image.Image:
    """Reduce an image to 256 of its colours, others to the nearest of them.

    The most frequent colours stay exact, then those that differ most from what is kept, so that a few dots of
    a rare type keep the colour of the legend; the palettes of Pillow give them that of a similar type.
    """
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    colours, place, counts = np.unique(packed, return_inverse=True, return_counts=True)
    every = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1).astype(np.float32)
    order = np.argsort(-counts, kind="stable")[:N_FREQUENT]
    nearest = np.zeros(len(every), dtype=np.uint8)
    distance = np.full(len(every), np.inf, dtype=np.float32)
    palette = []
    for number in range(min(N_COLOURS, len(every))):
        chosen = every[order[number] if number < len(order) else distance.argmax()]
        apart = ((every - chosen) ** 2).sum(axis=1)
        nearest[apart < distance] = number
        distance = np.minimum(distance, apart)
        palette.append(chosen)
    image = Image.fromarray(nearest[place].reshape(packed.shape), mode="P")
    image.putpalette(np.array(palette, dtype=np.uint8).ravel().tolist())
    return image


def caption_text(name: str, **values: Any) -> str:  # noqa: ANN401 - any value a caption may name
    """Fill in a caption of the folder `captions`.

    Parameters
    ----------
    name
        Name of the file, without its ending.
    values
        What the caption names, such as n and thresholds.

    Raises
    ------
    jinja2.UndefinedError
        The caption names something that is not given.
    """
    source = files("stietime.report").joinpath("captions", f"{name}.txt").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=True, finalize=_plain_number
    )
    return " ".join(environment.from_string(source).render(**values).split())


def _plain_number(value: Any) -> Any:  # noqa: ANN401 - any value of a caption
    """Write 30.0 as 30."""
    return f"{value:g}" if isinstance(value, float) else value


def picture(
    figure: Figure,
    alt: str,
    caption: str,
    sources: Iterable[Link] = (),
    *,
    pixels_per_inch: int = PIXELS_PER_INCH,
) -> Picture:
    """Make a picture of a page from a figure.

    Parameters
    ----------
    figure
        The figure.
    alt
        What the image shows, for those who do not see it.
    caption
        Caption, with n, units and what the marks mean.
    sources
        The tables of the results it is made from.
    pixels_per_inch
        Resolution.
    """
    width = round(figure.get_size_inches()[0] * CSS_PIXELS_PER_INCH)
    return Picture(encode(figure, pixels_per_inch), width, alt, caption, tuple(sources))
