"""Figures of quality draw the cells, the cuts and the samples they are given, few or many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from tests.report.fabricated_quality import cuts_of, quality_of

from stietime.figures import ambient, quality, quality_lineages, quality_samples, style

NAN = float("nan")


def _drawn(figure) -> tuple[int, int]:
    """Draw a figure and return its size in pixels: a layout that fails is an error here."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_width_height()


def _words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def _cuts(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["lineage", "metric", "lower", "upper"])


def _cells(**lineages: int) -> pd.DataFrame:
    named = np.repeat(list(lineages), list(lineages.values()))
    rng = np.random.default_rng(1)
    n = len(named)
    values = {"n_counts": rng.integers(10, 10_000, n), "n_genes": rng.integers(10, 3_000, n)}
    return pd.DataFrame(
        {**values, "pct_mito": rng.uniform(0, 60, n), "provisional_lineage": named, "keep": True}
    )


def test_a_lineage_without_a_cut_of_its_own_shares_that_of_all():
    cuts = _cuts(("all", "n_counts", 50, NAN), ("t_cell", "n_counts", 200, 9000))
    assert quality_lineages.cut_of(cuts, "t_cell", "n_counts") == (200, 9000, True)
    lower, upper, own = quality_lineages.cut_of(cuts, "nk", "n_counts")
    assert (lower, own) == (50, False)
    assert np.isnan(upper)
    assert np.isnan(quality_lineages.cut_of(cuts, "nk", "pct_mito")[1])


def test_the_cuts_of_each_lineage_stand_in_its_row():
    cells = _cells(t_cell=40, neutrophil=40)
    cuts = _cuts(
        ("all", "pct_mito", NAN, 20.0),
        ("t_cell", "n_counts", 500, NAN),
        ("neutrophil", "n_counts", 300, 4000),
    )
    rows = {"all": "All cells", "t_cell": "T cell", "neutrophil": "Neutrophil"}
    figure = quality_lineages.lineage_ridges(cells, cuts, rows)
    marks = [
        [
            (line.get_ydata()[0], round(float(line.get_xdata()[0]), 6))
            for line in axes.get_lines()
            if len(set(line.get_xdata())) == 1
        ]
        for axes in figure.axes
    ]
    place = [round(float(np.log10(value)), 6) for value in (500, 300, 4000)]
    assert marks[0] == [(-2, place[0]), (-3, place[1]), (-3, place[2])]
    assert marks[1] == []
    assert marks[2] == [(-2, round(20**0.5, 6)), (-3, round(20**0.5, 6))]
    shaded = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(shaded) == 3


def test_few_cells_are_drawn_one_by_one_and_many_as_a_ridge():
    cells = _cells(t_cell=60, mast=7)
    cells.loc[cells["provisional_lineage"] == "mast", "keep"] = [True] * 5 + [False] * 2
    figure = quality_lineages.lineage_ridges(cells, _cuts(), {"t_cell": "T cell", "mast": "Mast cell"})
    axes = figure.axes[0]
    assert [len(dots.get_offsets()) for dots in axes.collections] == [5, 2]
    assert len([patch for patch in axes.patches if not isinstance(patch, Rectangle)]) == 2


@pytest.mark.parametrize("n_cells", [0, 1, 2, 20, 3000])
@pytest.mark.parametrize("n_lineages", [3, 18])
def test_ridges_of_any_number_of_cells_and_lineages_can_be_drawn(n_cells, n_lineages):
    lineages = dict.fromkeys(list(style.LINEAGE_COLOURS)[:n_lineages], (1000.0, 5.0))
    cells = quality_of("s", np.random.default_rng(1), n_cells, ["high_mito"] * min(n_cells, 2), lineages)
    rows = {"all": "All cells"} | {name: name for name in lineages}
    width, height = _drawn(quality_lineages.lineage_ridges(cells, cuts_of("s", cells), rows))
    assert width < 1100
    assert height < 900


def test_a_cut_metric_that_was_not_measured_is_told():
    cells = _cells(t_cell=40).assign(pct_mito=NAN)
    figure = quality_lineages.lineage_ridges(cells, _cuts(), {"all": "All cells"})
    assert [_words(axes) for axes in figure.axes] == [[], [], ["not measured"]]


def test_histograms_count_cells_before_and_after_and_tell_what_was_not_measured():
    rng = np.random.default_rng(1)
    cells = pd.DataFrame({"pct_ribo": rng.uniform(1, 40, 40), "pct_hb": NAN, "keep": np.arange(40) > 4})
    figure = quality.metric_histograms(cells, {"pct_ribo": "ribo", "pct_hb": "hb", "pct_stress": "stress"})
    ribo, hb, stress = figure.axes
    heights = [sum(bar.get_height() for bar in bars) for bars in ribo.containers]
    assert heights == [40, 35]
    assert _words(hb) == _words(stress) == ["not measured"]


@pytest.mark.parametrize(("n", "ticks"), [(1, ["0", "1"]), (9, ["0", "5"]), (700, ["0", "5", "10", "100"])])
def test_numbers_of_cells_are_written_in_full(n, ticks):
    cells = pd.DataFrame({"pct_hb": np.zeros(n), "keep": True})
    figure = quality.metric_histograms(cells, {"pct_hb": "hb"})
    _drawn(figure)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ticks


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_one_cell_has_a_histogram_that_holds_it(value):
    cells = pd.DataFrame({"pct_ribo": [value], "keep": [True]})
    axes = quality.metric_histograms(cells, {"pct_ribo": "ribo"}).axes[0]
    assert sum(bar.get_height() for bar in axes.containers[0]) == 1


def test_doublet_scores_are_stacked_by_evidence_with_the_threshold():
    evidence = ["", "", "score", "protected", "label", "score+label"]
    scores = pd.DataFrame({"doublet_score": [0.1, 0.2, 0.5, 0.6, 0.2, 0.9], "doublet_evidence": evidence})
    axes = quality.doublet_histogram(scores, 0.5).axes[0]
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == [
        "single (n = 2)", "called, by score (n = 1)", "called, by score and label (n = 1)",
        "called, by label only (n = 1)", "above the cut, protected (n = 1)", "threshold (0.50)",
    ]  # fmt: skip
    assert axes.get_lines()[0].get_xdata()[0] == 0.5
    # no bar lies on both sides of the threshold
    assert 0.5 in [round(bar.get_x(), 9) for bar in axes.containers[0]]
    assert not quality.doublet_histogram(scores, NAN).axes[0].get_lines()


def test_ambient_bars_set_the_share_in_ambient_beside_that_in_cells():
    genes = pd.DataFrame(
        {
            "gene": ["HBB", "S100A8"],
            "ambient_share": [0.2, 0.1],
            "cell_share": [0.05, NAN],
            "marker": ["", "m"],
        }
    )
    axes = ambient.ambient_bars(genes).axes[0]
    ambient_widths, cell_widths = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert ambient_widths == [20, 10]
    assert cell_widths[0] == 5
    assert _words(axes) == ["m"]
    alike = ambient.ambient_bars(genes.assign(cell_share=[0.2, 0.1])).axes[0]
    assert [[bar.get_width() for bar in bars] for bars in alike.containers] == [[20, 10]]


MEASURES = (
    quality_samples.Measure("n_kept", "cells", logarithmic=True, limits=(5.0, 50.0)),
    quality_samples.Measure("share", "share (%)", factor=100),
)


def _samples() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample": list("abcd"), "environment": ["STIE", "STIE", "TIME", "TIME"],
            "verdict": ["usable", "caution", "excluded", "not assessed"],
            "n_kept": [900, 30, 3, NAN], "share": [0.1, NAN, 0.5, NAN],
        }
    )  # fmt: skip


def test_a_row_is_a_sample_coloured_by_environment_and_marked_by_verdict():
    figure = quality_samples.sample_strips(_samples(), MEASURES)
    cells, share = figure.axes
    dots, rings, crosses = (points.get_offsets() for points in cells.collections[:3])
    assert [tuple(point) for point in dots] == [(900, 0), (30, 1)]
    assert [tuple(point) for point in rings] == [(30, 1)]
    assert [tuple(point) for point in crosses] == [(3, 2)]
    colours = [to_hex(colour) for colour in cells.collections[0].get_facecolors()]
    assert colours == [style.ENVIRONMENT_COLOURS["STIE"].lower()] * 2
    assert _words(cells) == ["n/a"]
    assert _words(share) == ["n/a", "n/a"]
    assert share.collections[0].get_offsets()[0, 0] == 10
    assert sorted(line.get_xdata()[0] for line in cells.get_lines()) == [5, 50]


@pytest.mark.parametrize("n", [1, 100])
def test_one_and_a_hundred_samples_stay_readable(n):
    samples = pd.concat([_samples().iloc[[0]]] * n, ignore_index=True)
    width, height = _drawn(quality_samples.sample_strips(samples, MEASURES))
    assert width < 1100
    assert 100 < height < 2000
    losses = pd.DataFrame(
        {"sample": range(n), "lineage": "nk", "n_cells": 90, "n_removed": 9, "fraction": 0.1, "warned": False}
    )
    named = {i: f"sample {i}" for i in range(n)}
    assert _drawn(quality_samples.loss_heatmap(losses, named, {"nk": "NK cell"}))[1] < 2000
    counts = pd.DataFrame({"kept": [90] * n, "doublet": [10] * n}, index=[f"s{i}" for i in range(n)])
    assert _drawn(quality.dropped_bars(counts, {"kept": "kept", "doublet": "doublet"}))[1] < 2000


def test_the_heat_map_rings_warnings_and_leaves_out_lineages_without_cells():
    losses = pd.DataFrame(
        [("a", "nk", 100, 60, 0.6, True), ("a", "mast", 4, 1, 0.25, False), ("b", "nk", 0, 0, NAN, False)],
        columns=["sample", "lineage", "n_cells", "n_removed", "fraction", "warned"],
    )
    lineages = {"nk": "NK cell", "mast": "Mast cell"}
    axes = quality_samples.loss_heatmap(losses, {"a": "a", "b": "b"}, lineages).axes[0]
    tiles = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [tile.get_linewidth() > 1 for tile in tiles] == [True, False]
    assert tiles[0].get_width() > 2 * tiles[1].get_width()  # few cells: a small square
    assert _words(axes).count("60") == 1
    assert _words(axes).count(quality_samples.NO_CELLS) == 2
