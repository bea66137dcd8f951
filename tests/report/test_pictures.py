"""Images keep the colours that carry meaning, and captions name all they need."""

from __future__ import annotations

import base64
import io

import jinja2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from stietime.figures.style import LINEAGE_COLOURS
from stietime.report.pictures import caption_text, encode, picture


def _pixels(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_a_few_dots_keep_their_colour_among_many():
    figure = Figure(figsize=(4, 4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    rng = np.random.default_rng(1)
    for colour in list(LINEAGE_COLOURS.values())[:4]:
        axes.scatter(rng.uniform(0, 20, 900), rng.uniform(0, 16, 900), c=colour, s=4, linewidths=0)
    for place, colour in enumerate(LINEAGE_COLOURS.values()):
        axes.scatter([place % 20 + 0.5], [17 + place // 20], c=colour, s=8, linewidths=0)
    pixels = _pixels(encode(figure)).reshape(-1, 3)
    for name, colour in LINEAGE_COLOURS.items():
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(pixels - wanted).max(axis=1).min() <= 2, name


def test_a_picture_has_the_size_of_its_figure():
    figure = Figure(figsize=(2, 1))
    made = picture(figure, "alt", "caption", pixels_per_inch=100)
    assert made.width_px == 192
    assert _pixels(made.uri).shape == (100, 200, 3)


def test_a_caption_that_lacks_a_fact_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="n"):
        caption_text("samples", common="", has_cells=True)


def test_captions_write_whole_numbers_plainly_and_escape_text():
    text = caption_text("samples", n=3.0, common="<b>", has_cells=False)
    assert "(n = 3)" in text
    assert "&lt;b&gt;" in text
