"""Figures of copy numbers draw the profiles and cells that they are given."""

import numpy as np
import pandas as pd
import pytest

from stietime.figures.copy_number import SCALE, profile_heatmap, sample_profile


@pytest.fixture
def profile():
    """Chromosomes 2, 10 and X in the order of a file; 10 is one window."""
    rows = [("a", "10", 10, 30, 0.1)]
    rows += [("a", "2", start, start + 20, -0.3) for start in (0, 20, 40)]
    rows += [("a", "X", 0, 20, 0.0)]
    rows += [("b", *row[1:4], 0.5) for row in rows[:4]]
    frame = pd.DataFrame(rows, columns=["sample", "chromosome", "start", "stop", "log_ratio"])
    return frame.assign(start=frame["start"] * 10**6, stop=frame["stop"] * 10**6)


def test_the_heat_map_has_a_row_per_sample_and_the_chromosomes_in_order(profile):
    axes = profile_heatmap(profile, {"b": "second", "a": "first"}).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "10", "X"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["second", "first"]
    values = axes.collections[0].get_array().reshape(2, -1)
    assert values.shape[1] == (60 + 30 + 20) / 2
    assert np.allclose(values[1, :30], -0.3)
    assert np.allclose(values[1, 30:45], 0.1)
    assert np.isnan(np.ma.filled(values[0, 45:], np.nan)).all()  # b has no window on X
    assert axes.collections[0].get_clim() == (-SCALE, SCALE)


def test_cells_are_drawn_by_group_with_both_thresholds(profile):
    cells = pd.DataFrame(
        {
            "copy_number_signal": [0.001, 0.002, 0.01],
            "copy_number_correlation": [0.0, 0.2, 0.9],
            "group": ["reference", "epithelial", "called malignant"],
        }
    )
    figure = sample_profile(profile[profile["sample"] == "a"], cells, (0.005, 0.5))
    above, below = figure.axes
    assert above.get_ylim()[0] < -0.3
    legend = [text.get_text() for text in below.get_legend().get_texts()]
    assert legend == ["reference (n = 1)", "epithelial (n = 1)", "called malignant (n = 1)"]
    assert below.get_lines()[0].get_xdata()[0] == 0.005
    assert below.get_lines()[1].get_ydata()[0] == 0.5
    assert below.collections[2].get_offsets().tolist() == [[0.01, 0.9]]
