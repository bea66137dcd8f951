"""The figure of a section's quality draws what was measured, and the cuts where they lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.figures.section_quality import METRICS, bins_of, measured_metrics, section_histograms
from stietime.figures.style import ACCENT

NO_CUTS = pd.DataFrame(columns=["metric", "lower", "upper"])


def panel(n=400):
    rng = np.random.default_rng(0)
    quality = pd.DataFrame({name: rng.uniform(1, 90, n) for name, _, _ in METRICS})
    return quality.assign(
        n_counts=rng.poisson(60, n), n_genes=rng.poisson(20, n), pct_mito=np.nan, keep=np.arange(n) >= 30
    )


def heights(axes):
    before, after = axes.containers
    assert after[0].get_facecolor()[:3] != before[0].get_facecolor()[:3]
    return sum(bar.get_height() for bar in before), sum(bar.get_height() for bar in after)


def test_only_what_was_measured_is_drawn_and_every_cell_is_in_it():
    quality = panel()
    quality.loc[:9, "n_counts"] = 0  # zeros stand in the first bin of a logarithmic axis
    quality.loc[10:19, "area_um2"] = np.nan
    figure = section_histograms(quality, NO_CUTS)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert measured_metrics(quality) == tuple(name for name, _, _ in METRICS[:6])
    assert labels == [label for _, label, _ in METRICS[:6]]
    totals = dict(zip(labels, map(heights, figure.axes), strict=False))
    assert totals.pop("area of the cell (µm²)") == (390, 370)
    assert set(totals.values()) == {(400, 370)}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][-1] == "cut"


def test_cuts_are_drawn_within_the_axes():
    quality = panel()
    cuts = pd.DataFrame(
        {
            "metric": ["n_counts", "area_um2", "n_genes"],
            "lower": [5.0, np.nan, None],
            "upper": [None, 5e3, None],
        }
    )
    figure = section_histograms(quality, cuts)
    by_label = {axes.get_xlabel(): axes for axes in figure.axes}
    for label, place in (("counts per cell", 5.0), ("area of the cell (µm²)", 5e3)):
        axes = by_label[label]
        assert place in [line.get_xdata()[0] for line in axes.get_lines()]
        low, high = axes.get_xlim()
        assert low < place < high
    assert not by_label["genes per cell"].get_lines()


@pytest.mark.parametrize("scale", ["whole", "whole log"])
@pytest.mark.parametrize("top", [3, 40, 3000])
def test_bins_of_whole_numbers_never_miss_one(scale, top):
    values = np.arange(1.0, top + 1)
    edges = bins_of(np.repeat(values, 5), scale)
    assert (edges % 1 == 0.5).all()
    assert (np.diff(np.diff(edges)) >= 0).all()  # bars grow wider and never narrower
    assert np.histogram(values, edges)[0].sum() == top
    assert (np.histogram(values, edges[edges <= top])[0] > 0).all()
    assert len(edges) <= 100


@pytest.mark.parametrize("scale", ["whole", "whole log", "log", "share", "linear"])
@pytest.mark.parametrize("values", [[0.0], [7.0, 7.0], [0.0, 0.0, 3.0]])
def test_bins_of_few_or_equal_values_hold_them(values, scale):
    found = np.array(values)
    edges = bins_of(found, scale)
    assert (np.diff(edges) > 0).all()
    assert np.histogram(np.clip(found, edges[0], edges[-1]), edges)[0].sum() == len(values)


def test_colours_are_the_shared_ones():
    figure = section_histograms(panel(), NO_CUTS)
    red, green, blue, _ = figure.axes[0].containers[1][0].get_facecolor()
    assert tuple(round(255 * value) for value in (red, green, blue)) == tuple(
        int(ACCENT[i : i + 2], 16) for i in (1, 3, 5)
    )
