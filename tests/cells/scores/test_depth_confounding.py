"""Scores that follow the depth of cells are told from those that do not."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from stietime.cells.scores.depth_confounding import depth_correlations


def test_correlations_are_spearmans_within_the_cells_of_a_set():
    rng = np.random.default_rng(0)
    depth = rng.integers(500, 5000, 300).astype(float)
    scores = pd.DataFrame({"deep": depth + rng.normal(0, 300, 300), "free": rng.random(300), "same": 0.5})
    inside = rng.random(300) < 0.6
    found = depth_correlations(scores, depth, [inside, np.ones(300, dtype=bool), inside])
    assert np.isclose(found["deep"], spearmanr(scores["deep"][inside], depth[inside])[0])
    assert np.isclose(found["free"], spearmanr(scores["free"], depth)[0])
    assert np.isnan(found["same"])
    few = depth_correlations(scores[["deep"]], depth, [np.arange(300) < 29])
    assert np.isnan(few["deep"])


def test_many_cells_are_looked_at_evenly():
    depth = np.arange(25_000, dtype=float)
    scores = pd.DataFrame({"set": np.where(depth % 3 == 0, depth, -depth)})
    found = depth_correlations(scores, depth, [np.ones(25_000, dtype=bool)])
    assert np.isclose(found["set"], spearmanr(scores["set"][::3], depth[::3])[0])
