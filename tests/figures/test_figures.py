"""Figures draw the numbers they are given, and keep to their own settings."""

from __future__ import annotations

import ast
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

import stietime.figures
from stietime.figures import composition, contrasts, embedding, quality, states, style, tissue, tissue_pairs


def _labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def test_dropped_bars_add_up_to_all_cells():
    counts = pd.DataFrame({"kept": [90, 0], "doublet": [10, 0]}, index=["a", "b"])
    axes = quality.dropped_bars(counts, {"kept": "kept", "doublet": "two cells"}).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["kept", "two cells"]
    assert [round(bar.get_width(), 6) for bars in axes.containers for bar in bars] == [90, 0, 10, 0]
    assert _labels(axes) == ["a (n = 100)", "b (n = 0)"]


def test_composition_keeps_groups_apart():
    index = pd.MultiIndex.from_tuples([("STIE", "a"), ("STIE", "b"), ("TIME", "c")])
    counts = pd.DataFrame({"T cell": [1, 3, 2], "B cell": [1, 1, 2]}, index=index)
    axes = composition.composition_bars(counts, {"T cell": "#000000", "B cell": "#ffffff"}).axes[0]
    first, second, third = axes.get_yticks()
    assert third - second > second - first
    assert [bar.get_width() for bar in axes.containers[0]] == [50, 75, 50]


def test_a_patient_is_a_line_between_its_environments():
    fractions = pd.DataFrame(
        {
            "entity": "texp", "patient": ["p1", "p1", "p2", "p2"], "environment": ["STIE", "TIME"] * 2,
            "timepoint": "before", "fraction": [0.1, 0.3, 0.2, np.nan],
        }
    )  # fmt: skip
    axes = states.paired_states(fractions, {"texp": "Texp\nCD8+ T cells"}, ["before"]).axes[0]
    lines = [line.get_ydata().tolist() for line in axes.get_lines()]
    assert lines == [[10.0, 30.0], [20.0]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["STIE\nn = 2", "TIME\nn = 1"]
    assert axes.get_ylabel() == "% of CD8+ T cells"


def test_a_state_that_was_never_measured_is_told():
    empty = pd.DataFrame(columns=["entity", "patient", "environment", "timepoint", "fraction"])
    axes = states.paired_states(empty, {"texp": "Texp\nT"}, []).axes[0]
    assert [text.get_text() for text in axes.texts] == ["not measured in any sample"]


def test_a_forest_fills_what_is_significant():
    rows = pd.DataFrame(
        {
            "label": ["a", "b"], "estimate": [1.0, -1.0], "ci_low": [0.5, np.nan], "ci_high": [1.5, np.nan],
            "q": [0.01, 0.5], "n": [4, 4],
        }
    )  # fmt: skip
    axes = contrasts.forest(rows, x_label="log-odds", alpha=0.05).axes[0]
    faces = [
        dots.get_facecolor()[0].tolist() for dots in axes.collections if isinstance(dots, PathCollection)
    ]
    assert [face == [1, 1, 1, 1] for face in faces] == [False, True]
    assert "n = 4   q = 0.010" in [text.get_text() for text in axes.texts]


def test_verdict_bars_count_the_claims():
    counts = pd.DataFrame({"supported": [3], "not testable": [9]}, index=["baseline"])
    axes = contrasts.verdict_bars(counts).axes[0]
    assert [bar.get_width() for bars in axes.containers for bar in bars] == [3, 9]


def test_the_scale_bar_has_the_length_it_says():
    spots = pd.DataFrame({"x_um": [0.0, 1000.0], "y_um": [0.0, 500.0], "Lineage": ["T cell", "B cell"]})
    figure = tissue.section_thumbnail(spots, "Lineage", {"T cell": "#000000", "B cell": "#ff0000"})
    axes = figure.axes[0]
    (bar,) = axes.get_lines()
    start, end = bar.get_xdata()
    assert end - start == 200
    assert [text.get_text() for text in axes.texts] == ["200 µm"]
    low, high = axes.get_ylim()
    assert low > high  # the origin is at the top, as in an image


def test_the_map_names_how_many_cells_each_colour_is():
    spots = pd.DataFrame(
        {"x_um": [0.0, 9, 9], "y_um": [0.0, 9, 0], "Lineage": ["T cell", "T cell", "B cell"]}
    )
    figure = tissue.section_maps(
        spots, {"Lineage": {"T cell": "#000000", "B cell": "#ff0000", "NK": "#00ff00"}}
    )
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == ["T cell (2)", "B cell (1)"]


def test_untestable_pairs_stay_empty_in_the_heat_map():
    ratios = pd.DataFrame([[9.0, np.nan], [np.nan, -1.0]], index=["a", "b"], columns=["a", "b"])
    marks = pd.DataFrame([["*", "n/t"], ["n/t", ""]], index=["a", "b"], columns=["a", "b"])
    axes = tissue.enrichment_heatmap(ratios, marks).axes[0]
    drawn = axes.images[0].get_array()
    assert np.ma.getmaskarray(drawn).tolist() == [[False, True], [True, False]]
    assert drawn[0, 0] == 3  # clipped to the range of the colours
    assert "n/t" in [text.get_text() for text in axes.texts]


def test_ratios_within_strata_are_drawn_where_they_were_measured():
    pairs = pd.DataFrame({"pair": ["a", "b"], "log2_ratio": [1.0, -1.0], "log2_low": [0.5, np.nan]})
    pairs = pairs.assign(log2_high=[1.5, np.nan], log2_within=[0.1, np.nan])
    axes = tissue_pairs.ratio_dots(pairs).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert len(axes.get_legend().get_texts()) == 2
    without = tissue_pairs.ratio_dots(pairs.assign(log2_within=np.nan)).axes[0]
    assert len(without.get_legend().get_texts()) == 1


def test_curves_have_a_legend_entry_each():
    curves = pd.DataFrame(
        {"pair": ["a", "a", "b", "b"], "distance_um": [10, 20] * 2, "ratio": [2.0, 1, 1, 1]}
    )
    axes = tissue.co_occurrence_curves(curves).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_an_embedding_has_a_panel_per_column():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"umap_1": rng.random(30), "umap_2": rng.random(30), "Batch": ["x", "y", "z"] * 10})
    figure = embedding.embedding_panels(frame, {"Batch": {"x": "#000000", "y": "#ff0000", "z": "#00ff00"}})
    assert [title for axes in figure.axes if (title := axes.get_title(loc="left"))] == ["Batch"]
    assert len(figure.axes[0].collections[0].get_offsets()) == 30
    assert [len(axes.get_legend().get_texts()) for axes in figure.axes if axes.get_legend()] == [3]


def test_many_groups_are_named_in_the_panel_without_hiding_one_another():
    labels = [f"cluster {i}" for i in range(30)]
    frame = pd.DataFrame({"umap_1": np.arange(30.0), "umap_2": [0.0, 10.0] * 15, "Cluster": labels})
    figure = embedding.embedding_panels(frame, {"Cluster": style.colours_of(labels)})
    places = [text.get_position() for text in figure.axes[0].texts if text.get_text() in labels]
    assert len(places) == 30
    assert len({(round(x / 4), y) for x, y in places}) > 20
    assert not any(axes.get_legend().get_texts() for axes in figure.axes if axes.get_legend())


def test_a_highlight_counts_both_groups():
    frame = pd.DataFrame({"umap_1": [0.0, 1, 2], "umap_2": [0.0, 1, 2]})
    chosen = np.array([True, False, False])
    figure = embedding.embedding_highlight(frame, highlighted=chosen, name="p1", others="others")
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["others (n = 2 cells)", "p1 (n = 1 cells)"]


def test_known_values_keep_their_colour_and_many_values_get_different_ones():
    colours = style.colours_of(["TIME", "x", "STIE"], style.ENVIRONMENT_COLOURS)
    assert colours["TIME"] == style.ENVIRONMENT_COLOURS["TIME"]
    assert colours["x"] not in style.ENVIRONMENT_COLOURS.values()
    many = style.colours_of(str(i) for i in range(60))
    assert len(set(many.values())) == 60


def test_lineage_colours_differ():
    assert len(set(style.LINEAGE_COLOURS.values())) == len(style.LINEAGE_COLOURS)


def test_the_users_settings_neither_change_a_figure_nor_are_changed():
    counts = pd.Series([3], index=["T cell"])
    with mpl.rc_context({"font.size": 40}):
        axes = composition.type_counts(counts, {"T cell": "#000000"}).axes[0]
        assert mpl.rcParams["font.size"] == 40
    assert axes.xaxis.label.get_size() == style.RC["axes.labelsize"]


@pytest.mark.parametrize(
    "path", sorted(Path(stietime.figures.__file__).parent.glob("*.py")), ids=lambda p: p.stem
)
def test_figures_never_read_save_or_use_global_state(path):
    tree = ast.parse(path.read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not any("pyplot" in module or "scipy" in module for module in modules)
    calls = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")
    }
    assert not calls & {"savefig", "read_csv", "read_parquet", "open", "ttest_ind"}
