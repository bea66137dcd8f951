"""The forest plot of several cohorts: a row per cohort, a diamond for all, arrows beyond the axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from stietime.figures.meta_analysis import forest_of_cohorts
from stietime.figures.style import FAINT, INK


@pytest.fixture
def tables():
    cohorts = pd.DataFrame(
        [
            ("Treg", "a", -1.0, -1.5, -0.5, 0.6, "n = 6, 60 %"),
            ("Treg", "b", -0.5, -1.5, 0.5, 0.4, "n = 4, 40 %"),
            ("Treg", "c", np.nan, np.nan, np.nan, np.nan, "too few patients"),
            ("NK", "a", 1.0, 0.5, 1.5, 1.0, "n = 6, 100 %"),
        ],
        columns=["label", "cohort", "estimate", "ci_low", "ci_high", "weight", "remark"],
    )
    combined = pd.DataFrame(
        [
            ("Treg", -0.8, -40.0, 38.0, np.nan, np.nan, -0.8, -1.2, -0.4, "k = 2"),
            ("NK", 1.0, 0.6, 1.4, -0.2, 2.2, 1.0, 0.7, 1.3, "k = 3"),
        ],
        columns=[
            *("label", "estimate", "ci_low", "ci_high", "prediction_low", "prediction_high"),
            *("common_estimate", "common_low", "common_high", "remark"),
        ],
    )
    return cohorts, combined


def test_every_entity_has_its_cohorts_and_both_combinations(tables):
    axes = forest_of_cohorts(*tables, x_label="log-odds", sides=("lower", "higher")).axes[0]
    both = ["all cohorts (random effects)", "average of these cohorts"]
    expected = ["Treg", "a", "b", "c", *both, "NK", "a", *both]
    assert [text.get_text() for text in axes.get_yticklabels()] == expected
    assert [text.get_text() for text in axes.get_yticklabels() if text.get_fontweight() == "bold"] == [
        "Treg",
        "NK",
    ]
    told = [text.get_text() for text in axes.texts]
    assert "left out: too few patients" in told
    assert "-1.00 [-1.50, -0.50]  n = 6, 60 %" in told
    assert "-0.80 [-40.0, 38.0]" in told
    assert len(axes.patches) == 4  # diamonds


def test_axes_follow_the_cohorts_and_wider_intervals_end_in_arrows(tables):
    axes = forest_of_cohorts(*tables, x_label="log-odds").axes[0]
    low, high = axes.get_xlim()
    assert -1.8 < low < -1.5
    assert 1.5 < high < 1.8
    arrows = [
        of
        for of in axes.collections
        if of.get_offsets().shape == (1, 2) and of.get_offsets()[0][0] in (low, high)
    ]
    # both sides of the interval of Treg, and the right end of the prediction for NK
    assert sorted(to_hex(of.get_facecolor()[0]).lower() for of in arrows) == sorted([INK, INK, FAINT])
    for patch in axes.patches:
        assert patch.get_xy()[:, 0].min() >= low
        assert patch.get_xy()[:, 0].max() <= high


def test_larger_squares_weigh_more(tables):
    axes = forest_of_cohorts(*tables, x_label="log-odds").axes[0]
    squares = [of for of in axes.collections if isinstance(of, PathCollection)]
    at = {tuple(of.get_offsets()[0]): of.get_sizes()[0] for of in squares}
    assert at[(-1.0, 1.0)] > at[(-0.5, 2.0)]
