"""Matplotlib figures to images that are part of the page."""

from __future__ import annotations

import base64
import io
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from stietime.report.blocks import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure

    from stietime.report.blocks import Link

PIXELS_PER_INCH = 160  # sharp on a good screen and on paper
CSS_PIXELS_PER_INCH = 96
N_COLOURS = 256


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
    image = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")
    reduced = image.quantize(N_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    target = io.BytesIO()
    reduced.save(target, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode("ascii")


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
